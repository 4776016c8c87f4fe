import type { LayerReport } from '../report.ts';

/** Levels of noise, cleanest first; `--level-0` to `--level-4` of the style are their colours. */
export const levels = [
  { from: 40, label: '40 dB and more' },
  { from: 30, label: '30 to 40' },
  { from: 20, label: '20 to 30' },
  { from: 10, label: '10 to 20' },
  { from: -Infinity, label: 'below 10 dB' },
] as const;

/** Class of the level of a ratio; null is a value without error. */
export function levelClass(db: number | null | undefined): string {
  if (db === undefined) return 'level-none';
  const value = db ?? Infinity;
  return `level-${levels.findIndex(({ from }) => value >= from)}`;
}

/** The layer's own noise: the rounding of its weights and of its result, whose powers add up. */
export function ownDb({ weights, activation }: LayerReport): number | null | undefined {
  const ratios = [weights?.channelSqnrDb, activation?.localSqnrDb].filter((db) => db !== undefined);
  const noise = ratios.reduce((sum: number, db) => sum + (db === null ? 0 : 10 ** (-db / 10)), 0);
  if (ratios.length === 0) return undefined;
  return noise === 0 ? null : -10 * Math.log10(noise);
}

/** The end of a layer's name that fits: ends tell layers apart, beginnings repeat. */
export function shortName(name: string, length: number): string {
  return name.length <= length ? name : `…${name.slice(1 - length)}`;
}
