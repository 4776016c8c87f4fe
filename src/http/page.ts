import type { FastifyReply } from 'fastify';

/** Sends a page that brings its own styles and loads nothing. */
export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply
    .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
    .type('text/html; charset=utf-8')
    .send(page);
}
