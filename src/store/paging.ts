import { AppError } from '../base/index.ts';
import type { Page, PageRequest } from './store.ts';

/** Position after which a page starts. @throws AppError INVALID_REQUEST for a token that no page gave out */
export function pageStart(request: PageRequest): number {
  if (request.after === undefined) return 0;
  if (!/^[0-9]{1,15}$/.test(request.after))
    throw new AppError('INVALID_REQUEST', `'${request.after}' is not the continuation of a page.`);
  return Number(request.after);
}

/** A page from one row more than it may hold: the extra one tells that there is a next page. */
export function toPage<T>(
  rows: readonly { readonly position: number; readonly item: T }[],
  { limit }: PageRequest,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(({ item }) => item),
    next: rows.length > limit && last !== undefined ? String(last.position) : undefined,
  };
}
