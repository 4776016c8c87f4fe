import { AppError } from '../../../base/index.ts';
import type { Node } from '../../../graph/index.ts';
import { shapeRule, unsupported } from '../../shapes/index.ts';
import * as arithmetic from './arithmetic.ts';
import type { Canonicalizer, Context } from './context.ts';
import * as layout from './layout.ts';
import { resize, upsample } from './resize.ts';
import { averagePool, conv, convTranspose, maxPool, qLinearConv } from './window.ts';

const reductions = [
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
];

/** Operators whose canonical form differs from what some file may hold; all others are taken as they are. */
const canonicalizers: Readonly<Record<string, Canonicalizer>> = {
  ...Object.fromEntries(reductions.map((name) => [name, arithmetic.reduce])),
  ...Object.fromEntries(['Sum', 'Max', 'Min', 'Mean'].map((name) => [name, arithmetic.variadic])),
  Conv: conv,
  ConvInteger: conv,
  QLinearConv: qLinearConv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  BatchNormalization: arithmetic.batchNormalization,
  LayerNormalization: arithmetic.layerNormalization,
  Clip: arithmetic.clip,
  Softmax: arithmetic.softmax,
  LogSoftmax: arithmetic.softmax,
  Cast: arithmetic.cast,
  Gemm: arithmetic.gemm,
  QuantizeLinear: arithmetic.quantizeLinear,
  DequantizeLinear: arithmetic.quantizeLinear,
  Identity: arithmetic.identityNode,
  Dropout: layout.dropout,
  Shape: layout.shape,
  Size: layout.size,
  Squeeze: layout.squeeze,
  Unsqueeze: layout.unsqueeze,
  Reshape: layout.reshape,
  Flatten: layout.flatten,
  Transpose: layout.transpose,
  Concat: layout.concat,
  Gather: layout.gather,
  Split: layout.split,
  Slice: layout.slice,
  Pad: layout.pad,
  Expand: layout.expand,
  Resize: resize,
  Upsample: upsample,
};

/** Networks with these are not what this project is for, whatever else they hold. */
const outOfScope: ReadonlySet<string> = new Set([
  ...['Loop', 'If', 'Scan', 'LSTM', 'GRU', 'RNN', 'SequenceMap', 'SequenceConstruct', 'SequenceEmpty', 'SequenceAt'],
  ...['SequenceInsert', 'SequenceErase', 'SequenceLength', 'SplitToSequence', 'ConcatFromSequence', 'Optional'],
  ...['OptionalGetElement', 'OptionalHasElement', 'StringNormalizer', 'StringSplit', 'StringConcat', 'TfIdfVectorizer'],
]);

/** com.microsoft's own forms of Q and DQ are the standard ones. */
function ownDomain(node: Node): string {
  const standard = node.opType === 'QuantizeLinear' || node.opType === 'DequantizeLinear';
  return node.domain === 'com.microsoft' && standard ? '' : node.domain;
}

/** @throws AppError UNSUPPORTED_OPERATOR for an operator that no rule knows */
function check(node: Node): void {
  const domain = ownDomain(node);
  const known = shapeRule(node.opType, domain) ?? (domain === '' && Object.hasOwn(canonicalizers, node.opType));
  if (known || (domain === '' && node.opType === 'Constant')) return;
  throw unsupported(
    node,
    domain === '' ? 'the operator is not supported' : `the operator of domain '${domain}' is not supported`,
  );
}

/** @throws AppError MODEL_OUT_OF_SCOPE, with all nodes that are not those of a feed-forward network */
export function checkScope(nodes: readonly Node[]): void {
  const found = nodes.filter(({ opType, domain }) => domain === '' && outOfScope.has(opType));
  if (found.length === 0) return;
  const types = [...new Set(found.map(({ opType }) => opType))].join(', ');
  throw new AppError(
    'MODEL_OUT_OF_SCOPE',
    `The model uses ${types}: control flow, recurrence and sequences are out of scope; only feed-forward convolutional networks are supported.`,
    { nodes: found.map(({ name, opType }) => ({ name, opType })) },
  );
}

export const canonicalize = {
  check,
  constant: arithmetic.constantTensor,
  /** The nodes that stand for `node` in canonical form. */
  run(node: Node, context: Context): readonly Node[] {
    check(node);
    const inOwn = { ...node, domain: ownDomain(node) };
    const rule =
      inOwn.domain === '' && Object.hasOwn(canonicalizers, node.opType) ? canonicalizers[node.opType] : undefined;
    const result = rule ? rule(inOwn, context) : inOwn;
    return Array.isArray(result) ? (result as readonly Node[]) : [result as Node];
  },
};
