import { describe, expect, it } from 'vitest';
import { createTerminal, progressLine } from '../../src/cli/terminal.ts';
import { formatBytes, formatCount, formatMs, formatShare, formatTable } from '../../src/cli/text.ts';

describe('text', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.50 KiB'],
    [272_061, '266 KiB'],
    [5 * 2 ** 30, '5.00 GiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.0834, '83 µs'],
    [12.34, '12.3 ms'],
    [4_560, '4.56 s'],
    [185_000, '3 min 5 s'],
  ])('%d ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

  it('counts and shares', () => {
    expect(formatCount(300_774_272)).toBe('301 M');
    expect(formatCount(4_089_184_256)).toBe('4.09 G');
    expect(formatShare(0.9952)).toBe('99.52 %');
  });

  it('aligns the first column left and the others right', () => {
    expect(
      formatTable([
        ['', 'fp32', 'int8'],
        ['size', '266 KiB', '80 KiB'],
      ]),
    ).toBe('         fp32    int8\nsize  266 KiB  80 KiB');
  });
});

describe('terminal', () => {
  const collect = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, stream: { isTTY, columns: 60, write: (text: string) => written.push(text) } };
  };

  it('draws progress only where a terminal watches', () => {
    const [pipe, tty, out] = [collect(false), collect(true), collect(false)];
    createTerminal(out.stream, pipe.stream).progress('calibrate', 1, 2);
    expect(pipe.written).toEqual([]);
    createTerminal(out.stream, tty.stream).progress('calibrate', 1, 2);
    expect(tty.written.join('')).toContain('50 %  1/2');
    expect(out.written).toEqual([]);
  });

  it('wipes the line before a result', () => {
    const [tty, out] = [collect(true), collect(true)];
    const terminal = createTerminal(out.stream, tty.stream);
    terminal.progress('evaluate', 2, 2);
    terminal.print('done');
    expect(tty.written.at(-1)).toBe('\r\x1b[K');
    expect(out.written).toEqual(['done\n']);
  });

  it.each([10, 40, 80, 200])('keeps the progress line within %d columns', (columns) => {
    expect(progressLine('calibrate', 5_000, 10_000, columns).length).toBeLessThan(columns);
    expect(progressLine('calibrate', 0, 0, columns).length).toBeLessThan(columns);
  });
});
