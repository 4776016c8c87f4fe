import { AppError, fromProblem, InvariantError } from '../base/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import type { FloatServer } from './floatServer.ts';
import {
  fromWire,
  toWire,
  type FloatAnswer,
  type FloatCall,
  type FloatFacts,
  type FloatReply,
  type ToWorker,
} from './messages.ts';

interface Pending {
  readonly resolve: (reply: FloatReply) => void;
  readonly reject: (error: unknown) => void;
}

/** The service's end of the float calls: numbers them, and matches answers that come back. */
export class FloatClient implements FloatServer {
  /** Sends to the worker once it is there; throws where it is not. */
  readonly #send: (message: ToWorker) => Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #nextCall = 1;
  /** What is installed does not change while the service runs. */
  #facts: FloatFacts | undefined;

  constructor(send: (message: ToWorker) => Promise<void>) {
    this.#send = send;
  }

  async infer(
    sha256: string,
    feeds: TensorMap,
    signal?: AbortSignal,
  ): Promise<{ outputs: TensorMap; computeMs: number }> {
    const reply = await this.#call({ kind: 'infer', sha256, feeds: toWire(feeds) }, signal);
    if (reply.kind !== 'inferred') throw unexpected(reply);
    return { outputs: fromWire(reply.outputs), computeMs: reply.computeMs };
  }

  async unload(sha256: string): Promise<void> {
    await this.#call({ kind: 'unload', sha256 });
  }

  async check(path: string, signal?: AbortSignal): Promise<void> {
    const reply = await this.#call({ kind: 'check', path }, signal);
    if (reply.kind !== 'checked') throw unexpected(reply);
  }

  async describe(): Promise<FloatFacts> {
    if (this.#facts !== undefined) return this.#facts;
    const reply = await this.#call({ kind: 'describe' });
    if (reply.kind !== 'described') throw unexpected(reply);
    this.#facts = reply.facts;
    return reply.facts;
  }

  answered(answer: FloatAnswer): void {
    const pending = this.#pending.get(answer.call);
    this.#pending.delete(answer.call);
    if (answer.kind === 'answered') pending?.resolve(answer.reply);
    else pending?.reject(fromProblem(answer.problem));
  }

  /** The worker is gone, and with it every call that it had. */
  dropAll(): void {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of lost)
      reject(
        new AppError(
          'FLOAT_EXECUTOR_UNAVAILABLE',
          'The worker process stopped while it ran this fp32 version; try again.',
        ),
      );
  }

  async #call(request: FloatCall, signal?: AbortSignal): Promise<FloatReply> {
    signal?.throwIfAborted();
    const call = this.#nextCall++;
    const reply = new Promise<FloatReply>((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
    });
    const abandon = (): void => {
      this.#pending.get(call)?.reject(signal?.reason);
      this.#pending.delete(call);
      // A worker that is gone has nothing to abandon.
      this.#send({ kind: 'abandon', call }).catch(() => undefined);
    };
    signal?.addEventListener('abort', abandon, { once: true });
    this.#send({ kind: 'call', call, request }).catch((error: unknown) => {
      this.#pending.get(call)?.reject(error);
      this.#pending.delete(call);
    });
    try {
      return await reply;
    } finally {
      signal?.removeEventListener('abort', abandon);
    }
  }
}

function unexpected(reply: FloatReply): InvariantError {
  return new InvariantError(`the float thread answered '${reply.kind}'`);
}
