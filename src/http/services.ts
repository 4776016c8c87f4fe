import type { JobQueue } from '../jobs/index.ts';
import type { InferenceService, PreflightChecker } from '../serving/index.ts';
import type { Store } from '../store/index.ts';
import type { Access } from './access.ts';
import type { Staging } from './uploads/staging.ts';

export interface HttpLimits {
  readonly modelBytes: number;
  readonly datasetBytes: number;
  readonly imageBytes: number;
  readonly inferBytes: number;
  readonly uploadsPerMinute: number;
}

/** What `GET /v1/engine` tells. */
export interface EngineFacts {
  readonly tier: 'reference' | 'simd' | 'relaxed' | 'wide';
  readonly reason: string;
  readonly dotSemantics: string;
  readonly selfTest: Readonly<Record<string, 'passed' | 'failed' | 'unavailable' | 'notRun'>>;
  readonly threads: number;
  readonly loaded: {
    readonly model: string;
    readonly version: number;
    readonly tier: EngineFacts['tier'];
    readonly mismatchedTiers: EngineFacts['tier'][];
    readonly memoryBytes: number;
  }[];
  readonly floatExecutor: 'onnxruntime' | 'reference';
  readonly onnxruntime: string | null;
  readonly sharp: string | null;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly version: string;
}

/** Everything that the routes stand on. */
export interface HttpServices {
  readonly store: Store;
  readonly queue: JobQueue;
  readonly serving: InferenceService;
  readonly preflight: PreflightChecker;
  readonly staging: Staging;
  readonly access: Access;
  readonly limits: HttpLimits;
  readonly engineFacts: () => Promise<EngineFacts>;
  /** Fires when the service stops: streams end, readiness is withdrawn. */
  readonly stopping: AbortSignal;
  /** Whether /docs is served. */
  readonly docs: boolean;
  readonly version: string;
}
