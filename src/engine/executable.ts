import type { TensorMap } from '../tensor/index.ts';
import type { SharedNetwork } from './shared.ts';
import type { Tier } from './tier.ts';

/** Time of one node in a profile build. */
export interface NodeTiming {
  readonly name: string;
  readonly opType: string;
  readonly kernel: string;
  readonly ms: number;
  readonly macs: number;
}

/** A network compiled for this machine. One instance runs one inference at a time. */
export interface Executable {
  readonly tier: Tier;
  /** Kernels in use, by operation name: the proof that a fast path runs. */
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes: number;
  /**
   * Runs any batch (samples one after the other). Inputs are the graph's own (float32, or uint8 at a quantized input).
   * @throws AppError INFERENCE_INVALID for a wrong name, dtype or shape
   */
  run(feeds: TensorMap): TensorMap;
  /** Per-node times of one inference; throws InvariantError on the reference tier. */
  profile(feeds: TensorMap): readonly NodeTiming[];
  /** What other threads need to run the same network on the same weights; absent on the reference tier. */
  share(): SharedNetwork | undefined;
  close(): void;
}
