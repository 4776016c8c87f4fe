import { AppError } from '../base/index.ts';
import type { Node } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { Kernel } from './kernel.ts';
import { binaryKernels, where } from './operators/binary.ts';
import { cast } from './operators/cast.ts';
import { conv } from './operators/conv.ts';
import { convTranspose } from './operators/convTranspose.ts';
import { constantOfShape, range, shapeOf, size } from './operators/generate.ts';
import { gemm, matMul } from './operators/matmul.ts';
import { batchNormalization, instanceNormalization, layerNormalization, lrn } from './operators/normalization.ts';
import { depthToSpace, spaceToDepth, transpose } from './operators/permute.ts';
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from './operators/pool.ts';
import { microsoftKernels, quantizationKernels } from './operators/qLinear.ts';
import { argMax, argMin, logSoftmax, reduceKernels, softmax } from './operators/reduce.ts';
import { expand, pad, tile } from './operators/repeat.ts';
import { resize } from './operators/resize.ts';
import { concat, gather, slice, split } from './operators/select.ts';
import { dropout, flatten, identity, reshape, squeeze, unsqueeze } from './operators/shape.ts';
import { clip, pRelu, unaryKernels } from './operators/unary.ts';

const onnxKernels: Readonly<Record<string, Kernel>> = {
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...quantizationKernels,
  Clip: clip,
  PRelu: pRelu,
  Where: where,
  Conv: conv,
  ConvTranspose: convTranspose,
  Gemm: gemm,
  MatMul: matMul,
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LRN: lrn,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  ArgMax: argMax,
  ArgMin: argMin,
  Resize: resize,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Slice: slice,
  Split: split,
  Concat: concat,
  Gather: gather,
  Pad: pad,
  Expand: expand,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Shape: shapeOf,
  Size: size,
  ConstantOfShape: constantOfShape,
  Range: range,
  Cast: cast,
  Identity: identity,
  Dropout: dropout,
};

const kernelsByDomain: Readonly<Record<string, Readonly<Record<string, Kernel>>>> = {
  '': onnxKernels,
  'com.microsoft': microsoftKernels,
};

function kernelOf(opType: string, domain: string): Kernel | undefined {
  const kernels = kernelsByDomain[domain];
  return kernels && Object.hasOwn(kernels, opType) ? kernels[opType] : undefined;
}

/** Whether there is a kernel of this operator. */
export function hasKernel(opType: string, domain = ''): boolean {
  return kernelOf(opType, domain) !== undefined;
}

/**
 * Runs one node in canonical form.
 *
 * @param inputs in the order of `node.inputs`, undefined where absent
 * @returns      in the order of `node.outputs`
 * @throws UNSUPPORTED_OPERATOR, or MODEL_INVALID where attributes or shapes do not fit
 */
export function runNode(node: Node, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const kernel = kernelOf(node.opType, node.domain);
  if (kernel) return kernel(node, inputs);
  throw new AppError('UNSUPPORTED_OPERATOR', `Node '${node.name}' uses ${node.opType}, which is not supported.`, {
    nodes: [{ name: node.name, opType: node.opType, reason: 'there is no such operator here' }],
  });
}
