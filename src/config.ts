import { parseArgs } from 'node:util';
import { z } from 'zod';
import { tiers } from './engine/index.ts';

const MiB = 1_048_576;

const count = (low: number, high: number) => z.coerce.number().int().min(low).max(high);
const megabytes = (fallback: number) =>
  count(1, 65_536)
    .default(fallback)
    .transform((value) => value * MiB);
const seconds = (fallback: number) =>
  count(1, 86_400)
    .default(fallback)
    .transform((value) => value * 1_000);

/** Every setting of the service, by environment variable. Sizes are in MiB, times in seconds. */
const settings = {
  OCTET_PORT: count(0, 65_535).default(8080).describe('port to listen on; 0 is any free one'),
  OCTET_HOST: z.string().min(1).default('127.0.0.1').describe('address to listen on'),
  OCTET_DATA_DIR: z.string().min(1).default('./octet-data').describe('where models, data sets and jobs are kept'),
  OCTET_TOKEN: z.string().min(16).max(512).optional().describe('admin token, at least 16 characters'),
  OCTET_AUTH: z.enum(['auto', 'off']).default('auto').describe('off: no token even when bound beyond loopback'),
  OCTET_ENGINE_TIER: z.enum(tiers).optional().describe('forces one engine tier'),
  OCTET_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  OCTET_DOCS: z.enum(['on', 'off']).default('on').describe('serves /docs and /openapi.json'),

  OCTET_THREADS: count(1, 256).optional().describe('inference threads; absent: one a core'),
  OCTET_INFERENCE_QUEUE: count(1, 100_000).default(256).describe('requests that may wait for a thread'),
  OCTET_INFERENCE_SHARING: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe('off: no inference runs on several threads'),
  OCTET_INFERENCE_TIMEOUT: seconds(60).describe('hard limit of one inference'),
  OCTET_MODEL_MEMORY: megabytes(2_048).describe('loaded models above this are evicted, least recently used first'),

  OCTET_MAX_MODEL: megabytes(512).describe('largest model upload'),
  OCTET_MAX_DATASET: megabytes(4_096).describe('largest data set upload'),
  OCTET_MAX_IMAGE: megabytes(32).describe('largest image of one prediction'),
  OCTET_MAX_INFER: megabytes(64).describe('largest inference request, before and after decompression'),
  OCTET_UPLOADS: count(1, 1_000).default(4).describe('uploads at one time'),
  OCTET_UPLOAD_RATE: count(1, 1_000_000).default(600).describe('uploads and jobs per client and minute'),
  OCTET_PREFLIGHT_TIMEOUT: seconds(60).describe('hard limit of the check of one uploaded model'),
  OCTET_STOP_GRACE: seconds(15).describe('time that running requests get at shutdown'),
} as const;

const environmentSchema = z.object(settings);

export interface Config {
  /** `all` serves and supervises a worker process; `worker` is that process. */
  readonly role: 'all' | 'worker';
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly access: { readonly mode: 'auto' | 'off'; readonly token: string | undefined };
  readonly engineTier: (typeof tiers)[number] | undefined;
  readonly logLevel: string;
  readonly docs: boolean;
  readonly inference: {
    readonly threads: number | undefined;
    readonly queueLength: number;
    readonly timeoutMs: number;
    readonly sharing: 'auto' | 'off';
    readonly memoryBytes: number;
  };
  readonly limits: {
    readonly modelBytes: number;
    readonly datasetBytes: number;
    readonly imageBytes: number;
    readonly inferBytes: number;
    readonly concurrentUploads: number;
    readonly uploadsPerMinute: number;
    readonly preflightMs: number;
  };
  readonly stopGraceMs: number;
}

/** Settings that cannot be used, in one readable message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

const flags = {
  port: { type: 'string' },
  host: { type: 'string' },
  'data-dir': { type: 'string' },
  role: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const roles = ['all', 'worker'] as const;

/**
 * Reads the settings: a flag wins over its environment variable, which wins over the default.
 *
 * @throws ConfigError that names every bad setting, its value and what is allowed
 */
export function loadConfig(environment: Environment, args: readonly string[] = []): Config {
  const parsed = readFlags(args);
  const role = parsed.role ?? 'all';
  if (!isRole(role)) throw new ConfigError(`--role is '${role}'; allowed: ${roles.join(', ')}.`);
  const source: Record<string, string | undefined> = {};
  // An empty variable, as a compose file leaves it, is an absent one.
  for (const name of Object.keys(settings)) source[name] = environment[name] === '' ? undefined : environment[name];
  if (parsed.port !== undefined) source['OCTET_PORT'] = parsed.port;
  if (parsed.host !== undefined) source['OCTET_HOST'] = parsed.host;
  if (parsed['data-dir'] !== undefined) source['OCTET_DATA_DIR'] = parsed['data-dir'];
  const result = environmentSchema.safeParse(source);
  if (!result.success) throw new ConfigError(explain(result.error, source));
  return freeze(role, result.data);
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)}\n\n${configHelp()}`);
  }
}

function isRole(value: string): value is Config['role'] {
  return (roles as readonly string[]).includes(value);
}

function explain(error: z.ZodError, source: Readonly<Record<string, string | undefined>>): string {
  const lines = error.issues.map((issue) => {
    const name = String(issue.path[0]);
    const shown = name === 'OCTET_TOKEN' ? 'set' : `'${source[name] ?? ''}'`;
    return `  ${name} is ${shown}: ${issue.message}`;
  });
  return `Octet cannot start with these settings:\n${lines.join('\n')}`;
}

function freeze(role: Config['role'], env: z.infer<typeof environmentSchema>): Config {
  return Object.freeze({
    role,
    host: env.OCTET_HOST,
    port: env.OCTET_PORT,
    dataDir: env.OCTET_DATA_DIR,
    access: Object.freeze({ mode: env.OCTET_AUTH, token: env.OCTET_TOKEN }),
    engineTier: env.OCTET_ENGINE_TIER,
    logLevel: env.OCTET_LOG_LEVEL,
    docs: env.OCTET_DOCS === 'on',
    inference: Object.freeze({
      threads: env.OCTET_THREADS,
      queueLength: env.OCTET_INFERENCE_QUEUE,
      timeoutMs: env.OCTET_INFERENCE_TIMEOUT,
      sharing: env.OCTET_INFERENCE_SHARING,
      memoryBytes: env.OCTET_MODEL_MEMORY,
    }),
    limits: Object.freeze({
      modelBytes: env.OCTET_MAX_MODEL,
      datasetBytes: env.OCTET_MAX_DATASET,
      imageBytes: env.OCTET_MAX_IMAGE,
      inferBytes: env.OCTET_MAX_INFER,
      concurrentUploads: env.OCTET_UPLOADS,
      uploadsPerMinute: env.OCTET_UPLOAD_RATE,
      preflightMs: env.OCTET_PREFLIGHT_TIMEOUT,
    }),
    stopGraceMs: env.OCTET_STOP_GRACE,
  });
}

/** Text of `--help`. */
export function configHelp(): string {
  const lines = Object.entries(settings).map(([name, schema]) => {
    const about = z.globalRegistry.get(schema)?.description ?? '';
    return `  ${name.padEnd(26)}${about}`;
  });
  return [
    'Usage: octet serve [--port n] [--host address] [--data-dir folder]',
    '',
    'Environment (a flag wins; sizes in MiB, times in seconds):',
    ...lines,
    '',
  ].join('\n');
}
