import type { Tensor } from '../../../src/tensor/index.ts';

/** Another runtime with a model loaded, ready to race. */
export interface Peer {
  readonly runtime: string;
  /** The options that the runtime was given, for the printed table. */
  readonly options: string;
  run(feeds: ReadonlyMap<string, Tensor>): Promise<unknown>;
  close(): Promise<void>;
}

/** Constructor of onnxruntime's tensors, alike in both packages. */
export interface PeerTensor<T> {
  new (type: 'float32', data: Float32Array, dims: readonly number[]): T;
  new (type: 'uint8', data: Uint8Array, dims: readonly number[]): T;
}

export function toPeerFeeds<T>(Constructor: PeerTensor<T>, feeds: ReadonlyMap<string, Tensor>): Record<string, T> {
  const converted = [...feeds].map(([name, { dtype, data, shape }]): [string, T] => {
    if (dtype === 'float32') return [name, new Constructor(dtype, data, shape)];
    if (dtype === 'uint8') return [name, new Constructor(dtype, data, shape)];
    throw new TypeError(`The bench feeds float32 and uint8 inputs, not ${dtype}.`);
  });
  return Object.fromEntries(converted);
}
