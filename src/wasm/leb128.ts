import { invariant } from '../base/index.ts';

/** Unsigned LEB128. Source: WebAssembly Core 2.0, 5.2.2 Integers. */
export function unsignedLeb(value: number): number[] {
  invariant(Number.isInteger(value) && value >= 0 && value < 2 ** 32, `${value} is not a u32`);
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of an i32; a value up to 2³² − 1 is taken for its bit pattern. */
export function signedLeb(value: number): number[] {
  invariant(Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32, `${value} is not an i32`);
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}
