import { AppError } from '../base/index.ts';
import type { Node } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { Kernel } from './kernel.ts';
import { binaryKernels, where } from './operators/binary.ts';
import { conv } from './operators/conv.ts';
import { convTranspose } from './operators/convTranspose.ts';
import * as layout from './operators/layout.ts';
import { gemm, matMul } from './operators/matmul.ts';
import { batchNormalization, instanceNormalization, layerNormalization, lrn } from './operators/normalization.ts';
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from './operators/pool.ts';
import { microsoftKernels, quantizationKernels } from './operators/quantization.ts';
import { argMax, argMin, logSoftmax, reduceKernels, softmax } from './operators/reduce.ts';
import { resize } from './operators/resize.ts';
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
  Reshape: layout.reshape,
  Flatten: layout.flatten,
  Squeeze: layout.squeeze,
  Unsqueeze: layout.unsqueeze,
  Transpose: layout.transpose,
  Slice: layout.slice,
  Split: layout.split,
  Concat: layout.concat,
  Gather: layout.gather,
  Pad: layout.pad,
  Expand: layout.expand,
  Tile: layout.tile,
  DepthToSpace: layout.depthToSpace,
  SpaceToDepth: layout.spaceToDepth,
  Shape: layout.shapeOf,
  Size: layout.size,
  ConstantOfShape: layout.constantOfShape,
  Range: layout.range,
  Cast: layout.cast,
  Identity: layout.identity,
  Dropout: layout.dropout,
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
