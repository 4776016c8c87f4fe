export { BATCH, CANONICAL_OPSET } from './graph.ts';
export type { AttributeValue, Graph, Node, ValueType } from './graph.ts';
export type { FloatExecutor, FloatSession } from './floatExecutor.ts';
export type * from './quantizedGraph.ts';
export { formatGraph } from './formatGraph.ts';
export { numberAttribute, numbersAttribute, stringAttribute, tensorAttribute } from './attributes.ts';
