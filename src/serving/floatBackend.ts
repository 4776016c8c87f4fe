import type { TensorMap } from '../tensor/index.ts';

/** Runs fp32 versions; the worker process does, since onnxruntime is loaded nowhere else. */
export interface FloatBackend {
  infer(sha256: string, feeds: TensorMap, signal?: AbortSignal): Promise<TensorMap>;
}
