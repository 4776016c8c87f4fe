import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

/** Stages of one inference request, in order. */
export const stages = ['queue', 'preprocess', 'compute', 'postprocess'] as const;
export type Stage = (typeof stages)[number];
export type StageTimes = Readonly<Record<Stage, number>>;

/** 0.1 ms · 1.8^i, 24 buckets up to 75 s: a small CNN on a fast machine up to a large one on a slow machine. */
const latencyBuckets = Array.from({ length: 24 }, (_, i) => 1e-4 * 1.8 ** i);

/** OpenTelemetry's advice for http.server.request.duration. */
const httpBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Every metric of the service, in one registry of its own. Labels hold only names that exist here, never a caller's. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    request: new Histogram({
      name: 'octet_inference_request_duration_seconds',
      help: 'Inference requests, end to end',
      labelNames: ['model', 'version', 'protocol', 'outcome'] as const,
      buckets: latencyBuckets,
      registers,
    }),
    stage: new Histogram({
      name: 'octet_inference_stage_duration_seconds',
      help: 'Stages of successful inference requests: queue, preprocess, compute, postprocess',
      labelNames: ['model', 'version', 'stage'] as const,
      buckets: latencyBuckets,
      registers,
    }),
    samples: new Counter({
      name: 'octet_inference_samples_total',
      help: 'Samples inferred, counting each of a batch',
      labelNames: ['model', 'version'] as const,
      registers,
    }),
    refused: new Counter({
      name: 'octet_inference_refused_total',
      help: 'Inference requests that failed, by error code',
      labelNames: ['code'] as const,
      registers,
    }),
    loadedModels: new Gauge({ name: 'octet_loaded_models', help: 'Versions loaded in the engine', registers }),
    loadedBytes: new Gauge({
      name: 'octet_loaded_model_bytes',
      help: 'Memory of the loaded versions, over all threads',
      registers,
    }),
    loads: new Histogram({
      name: 'octet_model_load_duration_seconds',
      help: 'Reading, planning, compiling and warming one version',
      buckets: latencyBuckets,
      registers,
    }),
    evictions: new Counter({ name: 'octet_model_evictions_total', help: 'Versions unloaded for memory', registers }),
    goldenMismatches: new Counter({
      name: 'octet_golden_mismatch_total',
      help: 'Loads whose output differed from the reference kernels, by tier',
      labelNames: ['tier'] as const,
      registers,
    }),
    shared: new Counter({
      name: 'octet_inference_shared_total',
      help: 'Inferences that several threads shared',
      registers,
    }),
    threadRestarts: new Counter({
      name: 'octet_inference_thread_restarts_total',
      help: 'Inference threads that were replaced after a crash or a time limit',
      registers,
    }),
    uploadedBytes: new Counter({ name: 'octet_upload_bytes_total', help: 'Bytes of accepted upload parts', registers }),
    http: new Histogram({
      name: 'http_server_request_duration_seconds',
      help: 'HTTP requests by route template',
      labelNames: ['http_request_method', 'http_route', 'http_response_status_code'] as const,
      buckets: httpBuckets,
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Also counts something that is only known when asked for. */
export function addGauge(
  metrics: Metrics,
  gauge: { name: string; help: string; labelNames: readonly string[] },
  collect: () => Promise<readonly { labels: Record<string, string>; value: number }[]>,
): void {
  new Gauge({
    name: gauge.name,
    help: gauge.help,
    labelNames: [...gauge.labelNames],
    registers: [metrics.registry],
    async collect() {
      this.reset();
      for (const { labels, value } of await collect()) this.set(labels, value);
    },
  });
}
