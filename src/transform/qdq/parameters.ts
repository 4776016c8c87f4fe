import { AppError } from '../../base/index.ts';
import { numberAttribute, type Graph, type Node } from '../../graph/index.ts';
import type { Tensor } from '../../tensor/index.ts';

/** Integer types that a byte can hold after at most a shift by 128. */
export type StoredAs = 'uint8' | 'int8';

/** How one activation is read, in the uint8 form: int8 of the file is shifted by 128. */
export interface Params {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly storedAs: StoredAs;
}

/** Scale and zero point of a QuantizeLinear or DequantizeLinear node, as the file states them. */
export interface FileParams {
  readonly scales: Float32Array;
  readonly zeroPoints: Int32Array;
  /** Absent where one scale serves the whole tensor; may be negative, as in the file. */
  readonly axis: number | undefined;
}

export function isQuantize(node: Node | undefined): node is Node & { opType: 'QuantizeLinear' } {
  return node?.opType === 'QuantizeLinear' && node.domain === '';
}

export function isDequantize(node: Node | undefined): node is Node & { opType: 'DequantizeLinear' } {
  return node?.opType === 'DequantizeLinear' && node.domain === '';
}

/** The elements of a constant as float64 numbers. */
export function numbersOf(tensor: Tensor): number[] {
  return Array.from<number | bigint, number>(tensor.data, Number);
}

/** A name of the list, or '' where it is absent. */
export function inputName(node: Node, index: number): string {
  return node.inputs[index] ?? '';
}

/**
 * Reads the constant scale and zero point of a Q/DQ node, or returns undefined where either is computed at run time or
 * the node is blocked (one scale for a block of elements).
 *
 * @throws QUANT_PARAMS_INVALID for a scale that is not finite and positive, or lengths that differ
 */
export function fileParamsOf(graph: Graph, node: Node): FileParams | undefined {
  const scaleTensor = graph.constants.get(inputName(node, 1));
  const zeroName = inputName(node, 2);
  const zeroTensor = zeroName === '' ? undefined : graph.constants.get(zeroName);
  if (!scaleTensor || (zeroName !== '' && !zeroTensor)) return undefined;
  if (numberAttribute(node, 'block_size', 0) !== 0) return undefined;
  const scales = Float32Array.from(numbersOf(scaleTensor));
  const zeroPoints = zeroTensor ? Int32Array.from(numbersOf(zeroTensor)) : new Int32Array(scales.length);
  if (zeroPoints.length !== scales.length || scales.length === 0)
    throw invalidParams(
      node,
      `${scales.length} scales and ${zeroPoints.length} zero points; their number must be equal`,
    );
  for (const scale of scales)
    if (!(scale > 0 && scale < Infinity)) throw invalidParams(node, `scale ${scale}; it must be finite and above 0`);
  return { scales, zeroPoints, axis: scales.length === 1 ? undefined : numberAttribute(node, 'axis', 1) };
}

function invalidParams(node: Node, what: string): AppError {
  return new AppError('QUANT_PARAMS_INVALID', `Node '${node.name}' (${node.opType}) has ${what}.`, {
    nodeName: node.name,
    opType: node.opType,
  });
}

/** The parameters of a per-tensor 8-bit activation in the uint8 form, or undefined for anything else. */
export function activationParams(file: FileParams | undefined, dtype: string | undefined): Params | undefined {
  if (!file || file.axis !== undefined || (dtype !== 'uint8' && dtype !== 'int8')) return undefined;
  const zeroPoint = (file.zeroPoints[0] ?? 0) + (dtype === 'int8' ? 128 : 0);
  return { scale: file.scales[0] ?? 1, zeroPoint, storedAs: dtype };
}

export function sameParams(a: Params, b: Params): boolean {
  return a.scale === b.scale && a.zeroPoint === b.zeroPoint;
}

/** 8-bit elements in the uint8 form. */
export function toBytes(tensor: Tensor): Uint8Array {
  const shift = tensor.dtype === 'int8' ? 128 : 0;
  return Uint8Array.from(numbersOf(tensor), (element) => element + shift);
}

/** f32(scale · (q − zeroPoint)) of a constant, per tensor or along `axis`. */
export function dequantizeConstant(tensor: Tensor, file: FileParams): Float32Array<ArrayBuffer> {
  const { scales, zeroPoints } = file;
  const rank = tensor.shape.length;
  const axis = file.axis === undefined ? undefined : file.axis < 0 ? file.axis + rank : file.axis;
  const inner = axis === undefined ? tensor.data.length : tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const elements = numbersOf(tensor);
  return Float32Array.from(elements, (q, index) => {
    const channel = axis === undefined ? 0 : Math.floor(index / inner) % scales.length;
    return Math.fround((q - (zeroPoints[channel] ?? 0)) * (scales[channel] ?? 1));
  });
}
