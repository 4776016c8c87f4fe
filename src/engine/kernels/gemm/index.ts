import type {
  Clamp,
  ConvOperation,
  FloatValue,
  FullyConnectedOperation,
  QuantizedValue,
} from '../../../graph/index.ts';
import type { DotStrategy } from '../../dot.ts';
import { CHANNEL_BLOCK, roundUp, type Layout } from '../../plan/layout.ts';
import type { KernelPlanner, PlanContext, WasmStep } from '../../plan/step.ts';
import { isResidual } from '../../plan/fuse.ts';
import { paddedInput } from '../paddedInput.ts';
import { bytesOf, capsOf, roundingOf } from '../requantize.ts';
import { emitProduct } from './emit.ts';
import { packWeights, type WeightAt } from './pack.ts';
import { blocksOf, chooseRows, scratchOf, unitsOf, type Product, type Widening } from './product.ts';
import { otherStrideOf, residualOf } from './residual.ts';
import { isPointwise, windowRuns, type Geometry } from './window.ts';

/** Packed rows and results of a block stay below this: half of a usual second cache, in which every panel finds them. */
const BLOCK_BYTES = 512 * 1024;

/** Convolution, dense, grouped or transposed, and fully connected layers. */
export const planGemm: KernelPlanner = (operation, context) => {
  if (operation.kind === 'conv') return planConv(operation, context);
  if (operation.kind === 'convTranspose') return planConvTranspose(operation, context);
  if (operation.kind === 'fullyConnected') return planFullyConnected(operation, context);
  return undefined;
};

function planConv(operation: ConvOperation, context: PlanContext): WasmStep | undefined {
  const { weights, group } = operation;
  const [outChannels = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  const groupChannels = outChannels / group;
  const weightAt: WeightAt = (m, c, ky, kx) => {
    const inGroup = c - Math.floor(m / groupChannels) * perGroup;
    if (inGroup < 0 || inGroup >= perGroup) return undefined;
    return weights.data[((m * perGroup + inGroup) * kernelH + ky) * kernelW + kx];
  };
  const geometry: Geometry = { ...operation, kernel: [kernelH, kernelW], spread: [1, 1] };
  return planProduct(operation, geometry, weightAt, context);
}

/**
 * As a convolution of stride 1 with the kernel turned by 180°, over the input spread by the strides:
 *
 *   y[oy] = Σ over iy, ky with oy = iy · stride + ky · dilation − pad  =  Σ over ky' of x'[oy + ky' · dilation − pad'] · w[kernel − 1 − ky']
 *   with x'[iy · stride] = x[iy] and pad' = (kernel − 1) · dilation − pad
 */
function planConvTranspose(operation: ConvOperation, context: PlanContext): WasmStep | undefined {
  const { weights, group, strides, dilations } = operation;
  const [inChannels = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  if (input?.kind !== 'nhwc' || output?.kind !== 'nhwc') return undefined;
  const padsOf = (d: 0 | 1, kernel: number, from: number, to: number): [number, number] => {
    const reach = (kernel - 1) * dilations[d];
    const before = reach - operation.pads[d];
    return [before, to + reach - ((from - 1) * strides[d] + 1) - before];
  };
  const [top, bottom] = padsOf(0, kernelH, input.height, output.height);
  const [left, right] = padsOf(1, kernelW, input.width, output.width);
  const pads = [top, left, bottom, right] as const;
  // negative where the padding cuts off whole taps
  if (pads.some((pad) => pad < 0)) return undefined;
  const weightAt: WeightAt = (m, c, ky, kx) => {
    if (Math.floor((c * group) / inChannels) !== Math.floor(m / perGroup)) return undefined;
    return weights.data[((c * perGroup + (m % perGroup)) * kernelH + kernelH - 1 - ky) * kernelW + kernelW - 1 - kx];
  };
  const geometry: Geometry = { kernel: [kernelH, kernelW], strides: [1, 1], dilations, pads, spread: strides };
  return planProduct(operation, geometry, weightAt, context);
}

/** The most slices of whole groups whose outputs are whole panels; one where none are. */
function slicesOf(group: number, outChannels: number): number {
  const perGroup = outChannels / group;
  for (let groups = 1; groups <= group / 2; groups++)
    if (group % groups === 0 && (groups * perGroup) % CHANNEL_BLOCK === 0) return group / groups;
  return 1;
}

function planFullyConnected(operation: FullyConnectedOperation, context: PlanContext): WasmStep | undefined {
  const { data, shape } = operation.weights;
  const [, depth = 1] = shape;
  const input = context.layouts.get(operation.input);
  if (input?.kind !== 'nhwc' || input.height * input.width !== 1 || input.channels !== depth) return undefined;
  const output = context.layouts.get(operation.output);
  if (output?.kind === 'nhwc' && output.height * output.width !== 1) return undefined;
  const geometry: Geometry = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], spread: [1, 1] };
  return planProduct(operation, geometry, (n, k) => data[n * depth + k], context);
}

function planProduct(
  operation: ConvOperation | FullyConnectedOperation,
  geometry: Geometry,
  weightAt: WeightAt,
  context: PlanContext,
): WasmStep | undefined {
  const { weights } = operation;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  const from = context.graph.values.get(operation.input);
  const residual = isResidual(operation) ? residualOf(operation.residual, context) : undefined;
  const to = residual?.large.value ?? context.graph.values.get(operation.output);
  if (input?.kind !== 'nhwc' || from?.kind !== 'quantized' || !to) return undefined;
  const result = resultOf(to, output, operation.clamp);
  if (!result) return undefined;
  const padded = paddedInput(input, geometry);
  const slices = 'group' in operation ? slicesOf(operation.group, weights.bias.length) : 1;
  const { pixelBytes } = padded;
  const channels = input.channels / slices;
  const image = { rowBytes: padded.width * pixelBytes, pixelBytes, channels };
  const runs = windowRuns(geometry, image);
  const depth = runs.reduce((sum, run) => sum + run.bytes, 0);
  const { height, width, outputStride } = result;
  const panels = result.panels / slices;
  const pixels = height * width;
  const lines = { ...image, runs, slices, panels };
  const packed = packWeights({ weights, weightAt, lines, zeroPoint: from.zeroPoint, pixels }, context.dot);
  const { dot, order } = packed;
  const rows = chooseRows(pixels, dot);
  const inPlace = isPointwise(geometry) && dot.operandBytes === 1 && !dot.flipsSign;
  const rowBytes = inPlace ? pixelBytes : depth * dot.operandBytes;
  const touched = (inPlace ? input.channelStride : rowBytes) + result.panels * CHANNEL_BLOCK;
  const blockPixels = choosePixels(pixels, rows, touched);
  const product: Product = {
    dot,
    order,
    widening: wideningOf(packed.weightBytes, dot, blockPixels / rows),
    geometry,
    input,
    inputName: operation.input,
    inputZeroPoint: from.zeroPoint,
    outputName: operation.output,
    outputStride,
    bytes: result.bytes,
    residual,
    otherStride: isResidual(operation) ? otherStrideOf(operation.residual, context) : outputStride,
    rounding: roundingOf(weights, from.zeroPoint),
    runs,
    depth,
    inPlace,
    rowBytes,
    pixels,
    width,
    blockPixels,
    rows,
    slices,
    sliceBytes: channels,
    panels,
    paddedBytes: padded.scratchBytes,
    packedBytes: inPlace ? 0 : roundUp(blockPixels * rowBytes + 64, 64),
    panelBytes: depth * CHANNEL_BLOCK * dot.operandBytes,
  };
  const caps = 'caps' in operation ? capsOf(operation.caps, result.panels * CHANNEL_BLOCK) : [];
  return {
    runs: 'wasm',
    operation,
    kernel: `${operation.kind}.gemm${rows}x${CHANNEL_BLOCK}.${order ? 'ordered' : dot.name}${residual ? `.${residual.operation.kind}` : ''}${result.bytes ? '' : '.float'}`,
    macs: (operation.kind === 'convTranspose' ? input.height * input.width : pixels) * weights.data.length,
    constants: [packed.panels, bytesOf(packed.bias), bytesOf(packed.multipliers), ...caps],
    scratchBytes: scratchOf(product).end,
    units: unitsOf(product),
    makes: blocksOf(product) === 1 ? 'panels' : undefined,
    emit: (module, place, follower) => emitProduct(module, product, place, follower),
  };
}

/** A panel that several tiles read is widened once for all of them. */
function wideningOf(weightBytes: 1 | 2, dot: DotStrategy, tiles: number): Widening {
  if (weightBytes === dot.operandBytes) return 'none';
  return tiles > 1 ? 'byPanel' : 'onLoad';
}

/** As few blocks as fit the cache, of equal size, a multiple of the tile. */
function choosePixels(pixels: number, rows: number, pixelBytes: number): number {
  const most = Math.max(rows, Math.floor(BLOCK_BYTES / pixelBytes / rows) * rows);
  const blocks = Math.ceil(pixels / most);
  return Math.min(pixels, roundUp(Math.ceil(pixels / blocks), rows));
}

/** Where a product goes: pixels of bytes, or one row of float32. */
interface Result {
  readonly height: number;
  readonly width: number;
  readonly outputStride: number;
  readonly panels: number;
  readonly bytes: Product['bytes'];
}

function resultOf(to: QuantizedValue | FloatValue, layout: Layout | undefined, clamp: Clamp): Result | undefined {
  if (to.kind === 'float') {
    const [rows = 1, channels = 1, ...pixels] = to.shape;
    if (rows !== 1 || pixels.some((size) => size !== 1)) return undefined;
    const panels = Math.ceil(channels / CHANNEL_BLOCK);
    return { height: 1, width: 1, outputStride: 0, panels, bytes: undefined };
  }
  if (layout?.kind !== 'nhwc') return undefined;
  const { height, width, channelStride, pixelStride } = layout;
  const bytes = { zeroPoint: to.zeroPoint, clamp };
  return { height, width, outputStride: pixelStride, panels: channelStride / CHANNEL_BLOCK, bytes };
}
