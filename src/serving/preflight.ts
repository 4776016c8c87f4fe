import { AppError } from '../base/index.ts';
import { Thread } from './threads/thread.ts';
import type { Preflight } from './threads/protocol.ts';

/**
 * Checks uploaded models one after the other in a thread of its own: parsing and shape inference of a hostile file can
 * neither stall the service nor outlive the time limit.
 */
export class PreflightChecker {
  readonly #thread = new Thread(new URL('./threads/preflightThread.ts', import.meta.url), { tier: undefined });
  readonly #timeoutMs: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param bytes the model file
   * @param externalData parts of the same upload, by the exact name that the model refers to
   * @throws AppError of the model file group (MODEL_MALFORMED, UNSUPPORTED_OPERATOR …); MODEL_TOO_COMPLEX when the time
   *   limit is reached or the thread ran out of memory
   */
  async check(bytes: Uint8Array, externalData: ReadonlyMap<string, Uint8Array> = new Map()): Promise<Preflight> {
    const turn = this.#last.then(() => this.#check(bytes, externalData));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  async #check(bytes: Uint8Array, externalData: ReadonlyMap<string, Uint8Array>): Promise<Preflight> {
    try {
      return await this.#thread.call({ kind: 'preflight', bytes, externalData }, { timeoutMs: this.#timeoutMs });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'INFERENCE_TIMEOUT')
        throw new AppError('MODEL_TOO_COMPLEX', `The model could not be checked within ${this.#timeoutMs} ms.`);
      if (error.code === 'VERSION_UNAVAILABLE')
        throw new AppError('MODEL_TOO_COMPLEX', 'The model needs more memory to check than is allowed.');
      throw error;
    }
  }
}
