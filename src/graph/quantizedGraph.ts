import type { Shape, Tensor } from '../tensor/index.ts';
import type { Node, ValueType } from './graph.ts';

/**
 * The integer form of a QDQ graph: what the reference executes and the engine compiles. Made from any QDQ or QLinear
 * model by `lowerQdq`; nothing here needs the quantizer. Shapes are those of one sample (batch 1).
 *
 *   real = scale · (q − zeroPoint)
 */
export interface QuantizedGraph {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Topological order. */
  readonly operations: readonly Operation[];
  readonly values: ReadonlyMap<string, QuantizedValue | FloatValue>;
  /** Constants that float and layout operations read, by value name; weights of integer operations are in the operation. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** How the file stores some of `constants`: in integers, of which they are the real numbers. */
  readonly integers?: ReadonlyMap<string, IntegerConstant>;
}

/** constants[i] = f32((data[i] − zeroPoints[channel]) · scales[channel]), the channel along `axis`, or 0 where there is none. */
export interface IntegerConstant {
  readonly data: Int8Array | Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Int32Array;
  readonly axis: number | undefined;
}

/** uint8 in memory, always: int8 activations of an imported file are shifted by 128 (q + 128, zeroPoint + 128). */
export interface QuantizedValue {
  readonly kind: 'quantized';
  readonly shape: Shape;
  /** float32, > 0. */
  readonly scale: number;
  /** 0..255. */
  readonly zeroPoint: number;
  /** How the file stores it; a graph output of 'int8' is shifted back on return. */
  readonly storedAs: 'uint8' | 'int8';
}

export interface FloatValue extends ValueType {
  readonly kind: 'float';
}

/** Output limits of a requantization, in uint8: the fused activation's bounds (Relu: qmin = zeroPoint). */
export interface Clamp {
  readonly qmin: number;
  readonly qmax: number;
}

interface OperationBase {
  /** The name of the node that it comes from. */
  readonly name: string;
  readonly output: string;
}

/** Weights of a convolution or a fully connected layer. */
export interface QuantizedWeights {
  /** int8, [outChannels, inChannels / group, kernelH, kernelW]; for ConvTranspose [inChannels, outChannels / group, kH, kW]. */
  readonly data: Int8Array;
  readonly shape: Shape;
  /** One per output channel; 0 where symmetric. |w − zeroPoint| ≤ 255. */
  readonly zeroPoints: Int32Array;
  /** One per output channel, float32: the weight's own scale. */
  readonly scales: Float32Array;
  /** One per output channel, int32, at scale inputScale · scales[c]. */
  readonly bias: Int32Array;
  /** One per output channel, float32: f32(f32(inputScale · scales[c]) / outputScale). */
  readonly multipliers: Float32Array;
}

/**
 * acc = Σ (x − zeroPointX) · (w − zeroPointW[c]) + bias[c], padding contributes 0;
 * y = min(clamp(nearestEven(f32(f32(acc) · multipliers[c])) + zeroPointY, qmin, qmax), caps[c]), the sum saturating.
 */
export interface ConvOperation extends OperationBase {
  readonly kind: 'conv' | 'convTranspose';
  readonly input: string;
  readonly weights: QuantizedWeights;
  readonly strides: readonly [number, number];
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly group: number;
  readonly clamp: Clamp;
  /** One per output channel, uint8: the bound of an activation that differs by channel, after `clamp`; absent where none does. */
  readonly caps?: Uint8Array;
}

/**
 * Gemm or MatMul with constant weights, as `conv` on a [rows, K] input: weights [N, K], input [..., K], output [..., N].
 * Where the output value is float, y = f32(f32(acc) · multipliers[n]) and the clamp means nothing.
 */
export interface FullyConnectedOperation extends OperationBase {
  readonly kind: 'fullyConnected';
  readonly input: string;
  readonly weights: QuantizedWeights;
  readonly clamp: Clamp;
}

/**
 * Elementwise with NumPy broadcasting; da = f32(a − zeroPointA), db likewise, every step rounded to float32:
 *   add, sub: y = nearestEven(da · (scaleA / scaleY) ± db · (scaleB / scaleY)) + zeroPointY
 *   mul:      y = nearestEven(da · db · (scaleA · scaleB / scaleY)) + zeroPointY
 * then clamped. `reference/` states the order of the roundings.
 */
export interface BinaryOperation extends OperationBase {
  readonly kind: 'add' | 'sub' | 'mul';
  readonly inputs: readonly [string, string];
  readonly clamp: Clamp;
}

/** y = table[x]: any function of one quantized value (activation, change of scale), made at lowering by `quantizedTable`. */
export interface TableOperation extends OperationBase {
  readonly kind: 'table';
  /** What the table computes, for reports: the operator type, or 'Requantize'. */
  readonly opType: string;
  readonly input: string;
  /** 256 entries. */
  readonly table: Uint8Array;
}

/** Input and output share scale and zero point. */
export interface MaxPoolOperation extends OperationBase {
  readonly kind: 'maxPool';
  readonly input: string;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** top, left, bottom, right; ceil mode is resolved into them. */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
}

/**
 * acc = Σ over the window's valid taps of (x − zeroPointX);
 * y = clamp(nearestEven(f32(f32(acc) · f32(scaleX / scaleY / count))) + zeroPointY), count as countIncludePad says.
 * Global pooling and ReduceMean over H, W are this with kernel = input size.
 */
export interface AveragePoolOperation extends OperationBase {
  readonly kind: 'averagePool';
  readonly input: string;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly countIncludePad: boolean;
  /** The output's shape when H and W are reduced away (ReduceMean with keepdims 0); equals values.get(output).shape. */
  readonly clamp: Clamp;
}

/** All inputs share the output's scale and zero point (lowering inserts tables where the file's differ). */
export interface ConcatOperation extends OperationBase {
  readonly kind: 'concat';
  readonly inputs: readonly string[];
  readonly axis: number;
}

/**
 * Moves bytes without computing: Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Slice, one output of Split, Pad with
 * the zero point, Gather by constant indices, nearest Resize. Input and output share scale and zero point.
 * Element (i0, i1, …) of the row-major NCHW output is input element `source[...]` — described by the ONNX node itself,
 * which the reference kernels of `node.opType` execute on uint8 data.
 */
export interface LayoutOperation extends OperationBase {
  readonly kind: 'layout';
  readonly input: string;
  /** In canonical form; further inputs are constants of the graph. */
  readonly node: Node;
  /** Which of the node's outputs this is (Split). */
  readonly outputIndex: number;
}

/** y = saturate(nearestEven(x / scale) + zeroPoint), x float32. */
export interface QuantizeOperation extends OperationBase {
  readonly kind: 'quantize';
  readonly input: string;
}

/** y = f32(scale · (x − zeroPoint)). */
export interface DequantizeOperation extends OperationBase {
  readonly kind: 'dequantize';
  readonly input: string;
}

/** A node that runs in float (a float island is a run of these). */
export interface FloatOperation {
  readonly kind: 'float';
  readonly name: string;
  readonly node: Node;
  /** All outputs of the node; `output` is the first. */
  readonly outputs: readonly string[];
  readonly output: string;
}

export type Operation =
  | ConvOperation
  | FullyConnectedOperation
  | BinaryOperation
  | TableOperation
  | MaxPoolOperation
  | AveragePoolOperation
  | ConcatOperation
  | LayoutOperation
  | QuantizeOperation
  | DequantizeOperation
  | FloatOperation;
