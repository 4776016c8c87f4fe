import type { Problem } from '../base/index.ts';
import type { JobProgress } from '../store/index.ts';
import { fromBytes, type Dtype, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { JobInput, JobOutput } from './jobFunction.ts';

/** Which float executor the worker found. */
export interface FloatFacts {
  readonly executor: 'onnxruntime' | 'reference';
}

/** A tensor between processes: little-endian bytes. */
export interface WireTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Requests to the float thread, and what it answers. */
export type FloatCall =
  | { readonly kind: 'infer'; readonly sha256: string; readonly feeds: readonly WireTensor[] }
  | { readonly kind: 'unload'; readonly sha256: string }
  /** A file that is not stored yet. */
  | { readonly kind: 'check'; readonly path: string }
  | { readonly kind: 'describe' };

export type FloatReply =
  | { readonly kind: 'inferred'; readonly outputs: readonly WireTensor[]; readonly computeMs: number }
  | { readonly kind: 'unloaded' }
  | { readonly kind: 'checked' }
  | { readonly kind: 'described'; readonly facts: FloatFacts };

export type FloatAnswer =
  | { readonly kind: 'answered'; readonly call: number; readonly reply: FloatReply }
  | { readonly kind: 'refused'; readonly call: number; readonly problem: Problem };

/** Service to worker process. */
export type ToWorker =
  | { readonly kind: 'changed'; readonly jobId: string }
  | { readonly kind: 'call'; readonly call: number; readonly request: FloatCall }
  | { readonly kind: 'abandon'; readonly call: number }
  | { readonly kind: 'stop' };

/** Worker process to service. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'changed'; readonly jobId: string }
  | { readonly kind: 'incident'; readonly incident: Incident }
  | FloatAnswer;

/** Something that went wrong and is not a job's own failure; for the log. */
export interface Incident {
  readonly what: string;
  readonly jobId?: string | undefined;
  readonly stack?: string | undefined;
}

/** Worker process to float thread: one call at a time, with the file to load. */
export interface ToFloatThread {
  readonly call: number;
  readonly request: FloatCall;
  readonly path: string | undefined;
}

/** What a job thread is started with. */
export interface JobThreadData {
  /** URL of a module that exports a `JobFunction` named `runJob`. */
  readonly module: string;
  readonly input: JobInput;
}

export type ToJobThread = { readonly kind: 'cancel' };

export type FromJobThread =
  | { readonly kind: 'progress'; readonly progress: JobProgress }
  | { readonly kind: 'done'; readonly output: JobOutput }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly stack: string | undefined };

export function toWire(tensors: TensorMap): WireTensor[] {
  return [...tensors].map(([name, { dtype, shape, data }]) => ({
    name,
    dtype,
    shape,
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
}

export function fromWire(tensors: readonly WireTensor[]): TensorMap {
  return new Map(
    tensors.map(({ name, dtype, shape, bytes }) => [name, { dtype, shape, data: fromBytes(dtype, bytes) } as Tensor]),
  );
}
