import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../base/index.ts';

/** Who may call: on loopback anyone on this machine, elsewhere the holder of the admin token. */
export interface Access {
  /** sha-256 of the token; absent where no token is needed. */
  readonly tokenHash: Buffer | undefined;
  /** Without a token only names of this machine are accepted in `Host`: a web page cannot point its own name here. */
  readonly loopbackOnly: boolean;
}

const HASH_FILE = 'admin-token.sha256';

const digest = (token: string): Buffer => createHash('sha256').update(token, 'utf8').digest();

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

/**
 * Decides the access rules at start. Beyond loopback a token is made at the first start and only its hash is kept.
 *
 * @returns the rules, and the new token where one was made: to be shown once
 */
export async function openAccess(options: {
  readonly host: string;
  readonly mode: 'auto' | 'off';
  readonly token: string | undefined;
  readonly dataDir: string;
}): Promise<{ readonly access: Access; readonly newToken: string | undefined }> {
  const given = options.token;
  if (options.mode === 'off') return { access: { tokenHash: undefined, loopbackOnly: false }, newToken: undefined };
  if (given !== undefined) return { access: { tokenHash: digest(given), loopbackOnly: false }, newToken: undefined };
  if (isLoopback(options.host)) return { access: { tokenHash: undefined, loopbackOnly: true }, newToken: undefined };
  const file = join(options.dataDir, HASH_FILE);
  const kept = await readHash(file);
  if (kept !== undefined) return { access: { tokenHash: kept, loopbackOnly: false }, newToken: undefined };
  const newToken = randomBytes(32).toString('base64url');
  await mkdir(options.dataDir, { recursive: true });
  await writeFile(file, `${digest(newToken).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  return { access: { tokenHash: digest(newToken), loopbackOnly: false }, newToken };
}

async function readHash(file: string): Promise<Buffer | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const hash = Buffer.from(text.trim(), 'hex');
  if (hash.length !== 32) throw new Error(`${file} does not hold a sha-256; delete it to make a new token.`);
  return hash;
}

/** Refuses what the rules do not allow, before a body is read; also for paths that do not exist. */
export function guard(app: FastifyInstance, access: Access): void {
  app.addHook('onRequest', async (request, reply) => {
    if (access.loopbackOnly) refuseForeignPages(request);
    if (access.tokenHash === undefined || isPublic(request)) return;
    if (!holdsToken(request.headers.authorization, access.tokenHash)) {
      void reply.header('www-authenticate', 'Bearer realm="octet"');
      throw new AppError('UNAUTHORIZED', 'Send the admin token as `Authorization: Bearer <token>`.');
    }
  });
}

/** Judged by the route that matched, never by the path as it was written. */
function isPublic({ routeOptions: { url, config } }: FastifyRequest): boolean {
  if (config.operation?.open === true || config.publicAsset === true) return true;
  return url !== undefined && (url === '/openapi.json' || url === '/docs' || url.startsWith('/docs/'));
}

function holdsToken(header: string | undefined, hash: Buffer): boolean {
  const match = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header ?? '');
  // Hashing both makes the lengths equal and the comparison independent of where they differ.
  return timingSafeEqual(digest(match?.[1] ?? ''), hash) && match !== null;
}

function refuseForeignPages(request: FastifyRequest): void {
  if (!isLoopback(request.hostname))
    throw new AppError(
      'FORBIDDEN',
      `Host '${request.hostname}' is not this machine; set a token to serve under a name.`,
    );
  const { origin } = request.headers;
  if (origin === undefined || origin === `${request.protocol}://${request.host}`) return;
  throw new AppError('FORBIDDEN', `A page of '${origin.slice(0, 100)}' may not call this service.`);
}
