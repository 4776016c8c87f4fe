import type { FastifyReply } from 'fastify';

export interface ServerEvent {
  readonly id: number;
  readonly event: string;
  readonly data: unknown;
}

const HEARTBEAT_MS = 15_000;

/**
 * Streams events as text/event-stream until they end, the client leaves or `signal` fires. Comments keep idle
 * connections open through proxies.
 *
 * Source: WHATWG HTML, section 9.2 Server-sent events.
 */
export async function sendEvents(reply: FastifyReply, events: AsyncIterable<ServerEvent>): Promise<void> {
  const headers = reply.getHeaders();
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(headers as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  raw.write('retry: 2000\n\n');
  const heartbeat = setInterval(() => raw.write(': still here\n\n'), HEARTBEAT_MS);
  try {
    for await (const { id, event, data } of events) {
      if (raw.destroyed) break;
      raw.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  } finally {
    clearInterval(heartbeat);
    raw.end();
  }
}
