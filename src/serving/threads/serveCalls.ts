import { parentPort, workerData, type Transferable } from 'node:worker_threads';
import { present, toProblem, AppError } from '../../base/index.ts';
import type { Call, CallKind, FromThread, Replies, ThreadOptions, ToThread } from './protocol.ts';

type Handlers = {
  readonly [K in CallKind]?: (
    call: Extract<Call, { kind: K }>,
    options: ThreadOptions,
  ) => Promise<{ readonly value: Replies[K]; readonly transfer?: readonly Transferable[] }>;
};

/** The thread's side of the protocol: answers each call with its value or its problem. */
export function serveCalls(handlers: Handlers): void {
  const port = present(parentPort, 'parent port');
  const options = workerData as ThreadOptions;
  port.on('message', ({ id, call }: ToThread) => {
    void answer(handlers, call, options).then(
      ({ value, transfer }) => {
        port.postMessage({ id, ok: true, value } satisfies FromThread, [...(transfer ?? [])]);
      },
      (error: unknown) => {
        const stack = error instanceof AppError ? undefined : error instanceof Error ? error.stack : String(error);
        port.postMessage({ id, ok: false, problem: toProblem(error), stack } satisfies FromThread);
      },
    );
  });
}

async function answer(handlers: Handlers, call: Call, options: ThreadOptions) {
  // The union of handlers is called with the call that its key names.
  const handler = present(handlers[call.kind], `handler of ${call.kind}`) as (
    call: Call,
    options: ThreadOptions,
  ) => Promise<{ readonly value: Replies[CallKind]; readonly transfer?: readonly Transferable[] }>;
  return handler(call, options);
}
