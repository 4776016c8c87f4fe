/** Numbers as people read them. An em dash where nothing was measured. */

export const NONE = '—';

export function percent(share: number | undefined, digits = 2): string {
  return share === undefined ? NONE : `${(share * 100).toFixed(digits)} %`;
}

/** A difference of shares in points, with its sign. */
export function points(difference: number): string {
  const value = difference * 100;
  return `${value > 0 ? '+' : value < 0 ? '−' : '±'}${Math.abs(value).toFixed(2)} points`;
}

export function ms(value: number | undefined): string {
  if (value === undefined) return NONE;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return `${value.toFixed(digits)} ms`;
}

export function byteCount(bytes: number): string {
  if (bytes >= 1_048_576) return `${(bytes / 1_048_576).toFixed(2)} MiB`;
  return bytes >= 1_024 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${bytes} bytes`;
}

export function decibels(value: number | null | undefined): string {
  if (value === undefined) return NONE;
  return value === null ? 'exact' : `${value.toFixed(1).replace('-', '−')} dB`;
}

export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}
