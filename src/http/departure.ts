import type { FastifyReply } from 'fastify';

/**
 * Fires when the client goes away before it has its whole answer. The request's own signal does not: Node closes a request
 * as soon as its body is read.
 */
export function departureOf({ raw }: FastifyReply): AbortSignal {
  const departure = new AbortController();
  const check = (): void => {
    if (!raw.writableFinished) departure.abort();
  };
  raw.once('close', check);
  if (raw.socket?.destroyed === true) check();
  return departure.signal;
}
