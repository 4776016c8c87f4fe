import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { Config } from './config.ts';
import { tierReport, type Tier } from './engine/index.ts';
import {
  openAccess,
  packageVersion,
  registerHttp,
  Staging,
  type EngineFacts,
  type HttpServices,
} from './http/index.ts';
import { JobWorker, openQueue, startWorkerProcess, type EmbeddedQueue, type FloatServer } from './jobs/index.ts';
import { pageAssets } from './page/index.ts';
import { addGauge, createMetrics, InferenceService, PreflightChecker, type Metrics } from './serving/index.ts';
import { openStore } from './store/index.ts';

/** A service that is ready to listen. */
export interface Service {
  readonly app: FastifyInstance;
  /** The admin token, where this start made it: to be shown once. */
  readonly newToken: string | undefined;
  /** Refuses new requests at once; running ones get the grace period. */
  stop(): Promise<void>;
}

/** What only the process knows. */
export interface ProcessFacts {
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
}

/** Where the log goes: standard output is for people and scripts. */
const STANDARD_ERROR = 2;

/** Longest reception of one request: the largest upload over a slow line. Headers alone get Node's 60 s. */
const UPLOAD_LIMIT_MS = 1_800_000;

/** Opens everything that `config` names and wires it; nothing listens yet. */
export async function createService(config: Config, facts: ProcessFacts): Promise<Service> {
  const store = await openStore(config.dataDir);
  const stopping = new AbortController();
  const metrics = createMetrics();
  const { access, newToken } = await openAccess({ host: config.host, ...config.access, dataDir: config.dataDir });
  const staging = new Staging(join(config.dataDir, 'staging'), config.limits.concurrentUploads);
  await staging.open();
  const app = Fastify({
    logger: {
      level: config.logLevel,
      redact: ['req.headers.authorization'],
      stream: pino.destination(STANDARD_ERROR),
    },
    genReqId: (request) => requestId(request.headers['x-request-id']),
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    requestTimeout: UPLOAD_LIMIT_MS,
    bodyLimit: 1_048_576,
    routerOptions: { maxParamLength: 128 },
  });
  const queue = openQueue(store);
  const worker = startWorkerProcess({
    worker: { dataDir: config.dataDir, engineTier: config.engineTier },
    queue,
    onIncident: ({ what, stack }) => {
      app.log.error({ stack }, what);
    },
  });
  const serving = new InferenceService(store, worker.floats, {
    threads: config.inference.threads ?? availableParallelism(),
    queueLength: config.inference.queueLength,
    timeoutMs: config.inference.timeoutMs,
    sharing: config.inference.sharing,
    memoryBytes: config.inference.memoryBytes,
    tier: config.engineTier,
    metrics,
    events: {
      goldenMismatch: ({ model, version }, { tier, mismatchedTiers }) => {
        const outcome = tier === undefined ? 'the version is unavailable' : `the version runs on ${tier}`;
        app.log.error({ model, version, tier, mismatchedTiers }, `tiers did not give the golden output; ${outcome}`);
      },
    },
  });
  const preflight = new PreflightChecker(config.limits.preflightMs);
  countJobs(metrics, queue);
  warmResults(queue, serving, stopping.signal);
  const services: HttpServices = {
    store,
    queue,
    serving,
    preflight,
    staging,
    access,
    limits: config.limits,
    engineFacts: async () => engineFacts(serving, worker.floats, { ...facts, tier: config.engineTier }),
    stopping: stopping.signal,
    docs: config.docs,
    version: packageVersion(),
  };
  await registerHttp(app, services);
  servePage(app);
  const close = async () => {
    await Promise.all([serving.close(), preflight.close(), worker.stop()]);
    await store.metadata.close();
  };
  return { app, newToken, stop: () => stopService(app, stopping, { close, graceMs: config.stopGraceMs }) };
}

/** A caller's own id is kept where it is harmless. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

async function stopService(
  app: FastifyInstance,
  stopping: AbortController,
  { close, graceMs }: { close: () => Promise<void>; graceMs: number },
): Promise<void> {
  stopping.abort();
  // Streams and polls end by the signal; other requests by finishing; whatever is left after the grace, by force.
  const forced = setTimeout(() => {
    app.server.closeAllConnections();
  }, graceMs);
  const idle = setInterval(() => {
    app.server.closeIdleConnections();
  }, 100);
  try {
    await app.close();
  } finally {
    clearTimeout(forced);
    clearInterval(idle);
    await close();
  }
}

/** The built-in page needs no token: it holds no data, and asks for one where the service does. */
function servePage(app: FastifyInstance): void {
  for (const [path, { contentType, body }] of pageAssets) {
    app.get(path, { config: { publicAsset: true } }, async (_request, reply) => reply.type(contentType).send(body));
  }
}

async function engineFacts(
  { threads, loaded }: InferenceService,
  floats: FloatServer,
  { tier, ...facts }: ProcessFacts & { readonly tier: Tier | undefined },
): Promise<EngineFacts> {
  const onnxruntime = packageFound('onnxruntime-node');
  const { executor } = await floats.describe().catch(() => ({ executor: undefined }));
  return {
    ...tierReport(tier),
    threads,
    loaded: loaded.map(({ version: { model, version }, model: { tier, mismatchedTiers, memoryBytes } }) => {
      return { model, version, tier, mismatchedTiers: [...mismatchedTiers], memoryBytes };
    }),
    floatExecutor: executor ?? (onnxruntime === null ? 'reference' : 'onnxruntime'),
    onnxruntime,
    sharp: packageFound('sharp'),
    ...facts,
    version: packageVersion(),
  };
}

/** Version of an installed package, found without loading it. */
function packageFound(name: string): string | null {
  try {
    const file = findPackageJSON(name, import.meta.url);
    return file === undefined ? null : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return null;
  }
}

function countJobs(metrics: Metrics, queue: EmbeddedQueue): void {
  addGauge(metrics, { name: 'octet_jobs', help: 'Jobs by state', labelNames: ['state'] }, async () =>
    Object.entries(await queue.counts()).map(([state, value]) => ({ labels: { state }, value })),
  );
}

/** Loads what a job has made before the first request asks for it. */
function warmResults(queue: EmbeddedQueue, serving: InferenceService, stopping: AbortSignal): void {
  const followed = new Set<string>();
  const follow = async (id: string) => {
    for await (const { job } of queue.follow(id, stopping)) {
      if (job.state === 'succeeded' && job.resultVersion !== undefined)
        await serving.warm(await serving.resolve(job.spec.model, String(job.resultVersion)));
    }
  };
  queue.subscribe((id) => {
    if (followed.has(id)) return;
    followed.add(id);
    // Whatever goes wrong here is met, and told, by the first request.
    void follow(id)
      .catch(() => undefined)
      .finally(() => followed.delete(id));
  });
}

/** The worker alone, beside a service on the same data directory. */
export async function startWorker(config: Config): Promise<{ stop(): Promise<void> }> {
  const log = pino({ level: config.logLevel }, pino.destination(STANDARD_ERROR));
  const worker = await JobWorker.start(
    { dataDir: config.dataDir, engineTier: config.engineTier },
    {
      onIncident: ({ what, stack }) => {
        log.error({ stack }, what);
      },
    },
  );
  return worker;
}
