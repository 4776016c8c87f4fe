import type { Problem } from '../../base/index.ts';
import type { Membership, SharedNetwork, Tier } from '../../engine/index.ts';
import type { Preprocessing } from '../../data/index.ts';
import type { ModelSummary } from '../../store/index.ts';
import type { FeedMap, Tensor, TensorMap } from '../../tensor/index.ts';

/** What the service asks of its threads. One call at a time; each is answered by one reply with its number. */
export type Call =
  | { readonly kind: 'load'; readonly key: string; readonly bytes: Uint8Array; readonly golden: string | undefined }
  /** Runs a model that another thread has loaded, on the same weights, in the arena of this number. */
  | { readonly kind: 'attach'; readonly key: string; readonly shared: SharedNetwork; readonly arena: number }
  | { readonly kind: 'unload'; readonly key: string }
  /** With a team: as leader of an inference that others join. */
  | { readonly kind: 'run'; readonly key: string; readonly feeds: FeedMap; readonly team?: Membership }
  /** Takes part in the inference of the thread that works in the arena `leader`. */
  | { readonly kind: 'join'; readonly key: string; readonly leader: number; readonly team: Membership }
  | { readonly kind: 'preflight'; readonly bytes: Uint8Array; readonly externalData: ReadonlyMap<string, Uint8Array> };

export type CallKind = Call['kind'];

/** What comes back for each kind of call. */
export interface Replies {
  load: LoadedModel;
  attach: { readonly memoryBytes: number };
  unload: undefined;
  run: { readonly outputs: TensorMap; readonly computeMs: number };
  join: undefined;
  preflight: Preflight;
}

export interface LoadedModel {
  readonly tier: Tier;
  readonly memoryBytes: number;
  /** Faster tiers whose golden output differed from the reference kernels'. */
  readonly mismatchedTiers: readonly Tier[];
  /** Kernels in use, by operation name. */
  readonly kernels: ReadonlyMap<string, string>;
  /** For the other threads; absent where the reference kernels run it. */
  readonly shared: SharedNetwork | undefined;
}

/** What an uploaded model is, found without running it on data. */
export interface Preflight {
  readonly kind: 'fp32' | 'int8';
  readonly summary: ModelSummary;
  /** From the file's own metadata, where it has any. */
  readonly preprocessing: Preprocessing | undefined;
  readonly labels: readonly string[] | undefined;
  readonly golden: string | undefined;
  /** The file with its external data moved inside; absent when there was none. */
  readonly selfContained: Uint8Array | undefined;
  /** Why it cannot be imported, where the rest is what the file says of itself: at best onnxruntime runs it. */
  readonly refusal: Problem | undefined;
}

export interface ToThread {
  readonly id: number;
  readonly call: Call;
}

export type FromThread =
  | { readonly id: number; readonly ok: true; readonly value: Replies[CallKind] }
  | {
      readonly id: number;
      readonly ok: false;
      readonly problem: Problem;
      /** Of an unexpected error, for the log alone. */
      readonly stack: string | undefined;
    };

/** What a thread is started with. */
export interface ThreadOptions {
  readonly tier: Tier | undefined;
}

/** The tensors in buffers of their own: a view would be sent with everything around it. */
export function ownTensors(tensors: TensorMap): TensorMap {
  const owned = new Map<string, Tensor>();
  for (const [name, value] of tensors) {
    const { buffer, byteLength } = value.data;
    const own = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength;
    owned.set(name, own ? value : ({ ...value, data: value.data.slice() } as Tensor));
  }
  return owned;
}

/** Buffers that may move instead of being copied: those that a tensor or an image owns whole. */
export function transferables(tensors: FeedMap): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors.values()) {
    if (data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength) buffers.add(data.buffer);
  }
  return [...buffers];
}
