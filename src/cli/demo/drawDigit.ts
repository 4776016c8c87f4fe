const side = 28;
const shades = [' ', '░', '▒', '▓', '█'] as const;

/** A 28 x 28 gray image as text: two rows of pixels a line, darker for brighter. */
export function drawDigit(pixels: Uint8Array): string {
  const lines: string[] = [];
  for (let y = 0; y < side; y += 2) {
    let line = '';
    for (let x = 0; x < side; x++) {
      const mean = ((pixels[y * side + x] ?? 0) + (pixels[(y + 1) * side + x] ?? 0)) / 2;
      line += shades[Math.min(shades.length - 1, Math.floor((mean / 256) * shades.length))] ?? ' ';
    }
    lines.push(`    ${line}`.trimEnd());
  }
  return lines.filter((line) => line !== '').join('\n');
}
