import type { FeedMap, TensorMap } from '../tensor/index.ts';
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

/** A thread's part in an inference that several share. */
export interface Membership {
  /** Number of the inference, greater than those before it in the same arena; each further sample takes the next. */
  readonly inference: number;
  /** Threads that share it, the leader among them. */
  readonly threads: number;
}

export interface RunOptions {
  /** Outputs of an earlier run with as many samples, to be filled again: then a run of one sample makes no new object. */
  readonly into?: TensorMap;
  /** Shares the work with threads that `join` meanwhile; it also ends without them. */
  readonly team?: Membership;
}

/** A network compiled for this machine. One instance runs one inference at a time. */
export interface Executable {
  readonly tier: Tier;
  /** Kernels in use, by operation name: the proof that a fast path runs. */
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes: number;
  /** Number of its arena in the memory that threads share; 0 for the one that was compiled. */
  readonly arena: number;
  /**
   * Runs any batch (samples one after the other). Inputs are the graph's own (float32, or uint8 at a quantized input), or the
   * pixels of one sample, which a network that begins by quantizing an image reads as they are.
   * @throws AppError INFERENCE_INVALID for a wrong name, dtype or shape
   */
  run(feeds: FeedMap, options?: RunOptions): TensorMap;
  /**
   * Takes part in the inference that another instance of the network runs as leader of a team, and returns when it is
   * done. Waits for it to begin.
   *
   * @param leader number of the leader's arena
   * @param samples of the leader's feeds
   * @throws AppError CANCELLED when the team was aborted
   */
  join(leader: number, team: Membership, samples?: number): void;
  /** Per-node times of one inference. */
  profile(feeds: FeedMap): readonly NodeTiming[];
  /** What other threads need to run the same network on the same weights; absent on the reference tier. */
  share(): SharedNetwork | undefined;
  close(): void;
}
