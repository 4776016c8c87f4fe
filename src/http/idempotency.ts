import { z } from 'zod';
import { AppError } from '../base/index.ts';

export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .describe('The same key with the same request returns the first job; kept 24 hours'),
});

/**
 * Refuses a second request while the first with the same key still runs; the queue itself remembers finished ones.
 *
 * Source: draft-ietf-httpapi-idempotency-key-header-07.
 */
export class IdempotencyGate {
  readonly #running = new Set<string>();

  /** @throws AppError IDEMPOTENCY_IN_PROGRESS */
  async once<T>(key: string | undefined, work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work();
    if (this.#running.has(key))
      throw new AppError('IDEMPOTENCY_IN_PROGRESS', `A request with the idempotency key '${key}' is still running.`);
    this.#running.add(key);
    try {
      return await work();
    } finally {
      this.#running.delete(key);
    }
  }
}
