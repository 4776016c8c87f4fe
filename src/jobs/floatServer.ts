import type { TensorMap } from '../tensor/index.ts';
import type { FloatFacts } from './messages.ts';

/** Runs fp32 versions. The worker process does: a float runtime is loaded nowhere else. */
export interface FloatServer {
  /**
   * Loads the version on first use. `computeMs` is the computation alone, without waiting and transport.
   *
   * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE while the worker is down, INFERENCE_INVALID, what is wrong with the file,
   *   or the reason of `signal`
   */
  infer(sha256: string, feeds: TensorMap, signal?: AbortSignal): Promise<{ outputs: TensorMap; computeMs: number }>;
  unload(sha256: string): Promise<void>;
  /**
   * Whether onnxruntime takes a file as it is, at a bounded cost. Nothing stays loaded.
   *
   * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE without onnxruntime or while the worker is down, MODEL_INVALID when it
   *   refuses the file, MODEL_TOO_COMPLEX, or the reason of `signal`
   */
  check(path: string, signal?: AbortSignal): Promise<void>;
  describe(): Promise<FloatFacts>;
}
