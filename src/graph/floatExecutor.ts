import type { TensorMap } from '../tensor/index.ts';
import type { Graph } from './graph.ts';

/**
 * Runs graphs in float. The plain reference implements it, and onnxruntime where it is installed; calibration, the fp32
 * baseline and float serving do not know which.
 */
export interface FloatExecutor {
  readonly name: 'reference' | 'onnxruntime';
  /** Prepares `graph` to return the values named in `outputs`, intermediate ones too. */
  load(graph: Graph, outputs: readonly string[]): Promise<FloatSession>;
}

export interface FloatSession {
  /** Feeds carry any batch; every returned tensor carries the same. */
  run(feeds: TensorMap): Promise<TensorMap>;
  close(): Promise<void>;
}
