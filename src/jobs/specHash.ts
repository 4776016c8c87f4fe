import { createHash } from 'node:crypto';
import type { JobSpec } from '../store/index.ts';

/** sha-256 of a spec's JSON with sorted keys: equal for equal specs, however they were built. */
export function specHash(spec: JobSpec): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(spec)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
