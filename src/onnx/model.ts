import type { Tensor } from '../tensor/index.ts';

/** An ONNX model as read: names and structure of the file, tensors decoded, nothing checked for meaning. */
export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: number;
  readonly opsetImports: readonly OpsetImport[];
  readonly graph: GraphProto;
  /** `metadata_props`; of a repeated key the last wins. */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface OpsetImport {
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly version: number;
}

export interface GraphProto {
  readonly name: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly AttributeProto[];
}

export type AttributeProto = { readonly name: string } & (
  | { readonly kind: 'float' | 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** Sub-graphs, types, sparse tensors and lists of tensors: known to be there, content not read. */
  | { readonly kind: 'graph' | 'graphs' | 'tensors' | 'sparse' | 'type' }
);

export interface Initializer {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface ValueInfo {
  readonly name: string;
  readonly type: ValueTypeProto;
}

export type ValueTypeProto =
  | {
      readonly kind: 'tensor';
      /** TensorProto.DataType; 0 where the file has none. */
      readonly elementType: number;
      /** Absent where the rank is not known; a string is a symbol, undefined an unknown dimension. */
      readonly shape: readonly (number | string | undefined)[] | undefined;
    }
  | { readonly kind: 'none' | 'sequence' | 'map' | 'optional' | 'sparse' };
