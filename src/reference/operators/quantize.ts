import { numberAttribute, type Node } from '../../graph/index.ts';
import { elementCount, tensor, type Dtype, type Tensor } from '../../tensor/index.ts';
import { asFloat32, integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { nearestEven } from '../requantize.ts';
import { invalid } from '../spatial.ts';
import { convert } from './cast.ts';

const limits: Partial<Record<Dtype, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
};

/** For each element of `shape`, the index of its scale: 0 per tensor, the coordinate on `axis` per axis. */
function scaleIndex(node: Node, shape: readonly number[], scales: Tensor): (element: number) => number {
  if (scales.data.length === 1) return () => 0;
  const axis = resolveAxis(node, numberAttribute(node, 'axis', 1), shape.length);
  const size = shape[axis] ?? 1;
  if (scales.data.length !== size)
    throw invalid(node, `has ${scales.data.length} scales for ${size} elements along axis ${axis}`);
  const inner = elementCount(shape.slice(axis + 1));
  return (element) => Math.floor(element / inner) % size;
}

/** y = saturate(nearestEven(f32(x / scale)) + zero_point). */
export function quantizeTensor(node: Node, x: Tensor, scale: Tensor, zeroPoint: Tensor | undefined): Tensor {
  const dtype = zeroPoint?.dtype ?? 'uint8';
  const range = limits[dtype];
  if (!range) throw invalid(node, `quantizes to ${dtype}`);
  const reals = asFloat32(x).data;
  const scales = asFloat32(scale).data;
  const zeros = zeroPoint ? integersOf(zeroPoint) : [0];
  const at = scaleIndex(node, x.shape, scale);
  const q = new Float64Array(reals.length);
  for (let i = 0; i < q.length; i++) {
    const channel = at(i);
    const value = nearestEven(Math.fround(reals[i]! / scales[channel]!)) + (zeros[channel] ?? 0);
    q[i] =
      value < range[0] ? range[0] : value > range[1] ? range[1] : Number.isNaN(value) ? (zeros[channel] ?? 0) : value;
  }
  return convert(tensor('float64', x.shape, q), dtype);
}

/** y = f32((x − zero_point) · scale). */
export function dequantizeTensor(
  node: Node,
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor | undefined,
): Tensor & { dtype: 'float32' } {
  const scales = asFloat32(scale).data;
  const zeros = zeroPoint ? integersOf(zeroPoint) : [0];
  const at = scaleIndex(node, x.shape, scale);
  const y = new Float32Array(x.data.length);
  for (let i = 0; i < y.length; i++) {
    const channel = at(i);
    y[i] = (Number(x.data[i]!) - (zeros[channel] ?? 0)) * scales[channel]!;
  }
  return tensor('float32', x.shape, y);
}

export const quantizeLinear: Kernel = (node, inputs) => [
  quantizeTensor(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), inputs[2]),
];

export const dequantizeLinear: Kernel = (node, inputs) => [
  dequantizeTensor(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), inputs[2]),
];
