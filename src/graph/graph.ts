import type { Dtype, Shape, Tensor } from '../tensor/index.ts';

/** The free batch dimension: only ever dimension 0 of a value that carries the batch. */
export const BATCH = -1;

/** The operator set every imported graph is normalized to, and the lowest that is exported. */
export const CANONICAL_OPSET = 18;

export interface ValueType {
  readonly dtype: Dtype;
  /** Dimension 0 may be `BATCH`; all others are fixed. */
  readonly shape: Shape;
}

export type AttributeValue = number | string | readonly number[] | readonly string[] | Tensor;

export interface Node {
  /** Unique in the graph; made up where the file has none. */
  readonly name: string;
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  /** Value names; '' where an optional input is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeValue>;
}

/**
 * A network in canonical form: operators as of `CANONICAL_OPSET`, nodes in topological order, every shape known but
 * for the batch, no shape arithmetic, no Constant, Identity or Dropout nodes left. Immutable: a pass returns a new graph.
 */
export interface Graph {
  readonly name: string;
  /** What a caller feeds; initializers are never inputs. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  /** Initializers, by value name. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Type of every value: inputs, constants, node outputs. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** ONNX `metadata_props`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** ONNX `producer_name` of the uploaded file. */
  readonly producer: string;
  /** Operator set of the uploaded file; absent for graphs that were not read from one. */
  readonly opset?: number;
}
