/** A number with `digits` significant decimal digits: what a report needs of it, in few characters. */
export function significant(value: number, digits = 4): number {
  return Number(value.toPrecision(digits));
}
