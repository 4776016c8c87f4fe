import { numberAttribute, type FloatOperation, type Operation, type QuantizedGraph } from '../../graph/index.ts';
import { isMove } from '../kernels/move/operators.ts';

/** Operators whose kernels read images pixel by pixel. */
const ofImages = new Set([
  ...['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'],
  ...['BatchNormalization', 'InstanceNormalization', 'LRN', 'Resize'],
]);

/** Operators of matrices, or of rows of the last dimension. */
const ofRows = new Set(['MatMul', 'Gemm', 'LayerNormalization']);

/** Operators along axes that an attribute or a constant names. */
const alongAxis = new Set(['Softmax', 'LogSoftmax', 'ArgMax', 'ArgMin']);

/**
 * Float values of four dimensions that are no images but rows: what MatMul and the normalization of rows read and make, and what
 * operators of single elements read and make of that. What a convolution or a pool touches is an image.
 */
export function rowMajorValues(graph: QuantizedGraph): ReadonlySet<string> {
  const images = new Set<string>();
  const rows = new Set<string>();
  const between: (readonly string[])[] = [];
  for (const operation of graph.operations) {
    if (!computes(operation)) continue;
    const names = [...operation.node.inputs, ...operation.outputs];
    if (ofImages.has(operation.node.opType)) for (const name of names) images.add(name);
    else if (readsRows(operation, graph)) for (const name of names) rows.add(name);
    else between.push(names);
  }
  for (const name of images) rows.delete(name);
  if (rows.size === 0) return rows;
  let size = 0;
  while (size !== rows.size) {
    size = rows.size;
    for (const names of between)
      if (names.some((name) => rows.has(name))) for (const name of names) if (!images.has(name)) rows.add(name);
  }
  return rows;
}

const computes = (operation: Operation): operation is FloatOperation =>
  operation.kind === 'float' && operation.node.domain === '' && !isMove(operation);

function readsRows({ node }: FloatOperation, { values, constants }: QuantizedGraph): boolean {
  if (ofRows.has(node.opType)) return true;
  const rank = values.get(node.inputs[0] ?? '')?.shape.length ?? 0;
  const axes = alongAxis.has(node.opType)
    ? [numberAttribute(node, 'axis', -1)]
    : node.opType.startsWith('Reduce')
      ? Array.from<number | bigint, number>(constants.get(node.inputs[1] ?? '')?.data ?? [], Number)
      : [];
  const reduced = axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort();
  // channels, and the pixels of an image, have kernels of their own
  return reduced.length > 0 && !['1', '2,3'].includes(reduced.join(','));
}
