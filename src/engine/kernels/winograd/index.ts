import type { ConvOperation, QuantizedWeights } from '../../../graph/index.ts';
import { pairs } from '../../dot.ts';
import { isResidual } from '../../plan/fuse.ts';
import { CHANNEL_BLOCK, roundUp } from '../../plan/layout.ts';
import type { KernelPlanner } from '../../plan/step.ts';
import { weightBytesOf } from '../gemm/pack.ts';
import { chooseRows } from '../gemm/product.ts';
import { otherStrideOf, residualOf } from '../gemm/residual.ts';
import { paddedInput } from '../paddedInput.ts';
import { bytesOf, capsOf, roundingOf } from '../requantize.ts';
import { emitFastConv, unitsOf } from './emit.ts';
import { blocksOf, scratchOf, tilesOf, type FastConv } from './fast.ts';
import { fourByFour, reachOf, twoByTwo, type WinogradForm } from './form.ts';
import { packTaps } from './weights.ts';

/** Transformed inputs and sums of a block stay below this: half of a usual second cache. */
const BLOCK_BYTES = 512 * 1024;

/** Where a dot product takes bytes, a fourth of the products is faster as int16 from so many tiles of 4 x 4 and input channels on. */
const BYTES_TILES = 49;
const BYTES_CHANNELS = 64;

/**
 * Dense 3x3 convolutions of stride 1, by int16 pairs. Where products are pairs anyway the larger operands cost nothing; where a
 * dot product takes bytes, layers whose weights are transformed for many pixels gain.
 */
export const planWinograd: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'conv' || !applies(operation)) return undefined;
  const { weights, pads } = operation;
  const input = context.layouts.get(operation.input);
  const layout = context.layouts.get(operation.output);
  const from = context.graph.values.get(operation.input);
  const residual = isResidual(operation) ? residualOf(operation.residual, context) : undefined;
  const to = residual?.large.value ?? context.graph.values.get(operation.output);
  if (input?.kind !== 'nhwc' || layout?.kind !== 'nhwc') return undefined;
  if (from?.kind !== 'quantized' || to?.kind !== 'quantized') return undefined;
  const depth = input.channelStride;
  if (depth % CHANNEL_BLOCK !== 0) return undefined;
  const form = formFor(layout.height, layout.width, weights);
  if (!form) return undefined;
  const tiles = tilesOf(layout.height, form) * tilesOf(layout.width, form);
  const bytes = context.dot.operandBytes === 1;
  if (bytes && (form !== fourByFour || tiles < BYTES_TILES || depth < BYTES_CHANNELS)) return undefined;
  const dot = bytes ? pairs : context.dot;
  const tileBytes = form.points ** 2 * (depth * 2 + CHANNEL_BLOCK * 4);
  const rows = chooseRows(tiles, dot);
  const weightBytes = weightBytesOf(weights, dot);
  const conv: FastConv = {
    form,
    dot,
    input,
    inputName: operation.input,
    inputZeroPoint: from.zeroPoint,
    pads,
    output: {
      outputName: operation.output,
      outputStride: layout.pixelStride,
      residual,
      otherStride: isResidual(operation) ? otherStrideOf(operation.residual, context) : layout.pixelStride,
      rounding: roundingOf(weights, from.zeroPoint),
    },
    bytes: { zeroPoint: to.zeroPoint, clamp: operation.clamp },
    height: layout.height,
    width: layout.width,
    panels: layout.channelStride / CHANNEL_BLOCK,
    weightBytes,
    tiles,
    blockTiles: chooseTiles(tiles, rows, tileBytes),
    rows,
    paddedBytes: paddedInput(input, operation).scratchBytes,
  };
  const { panels } = conv;
  const { bias, multipliers } = linesOf(weights, from.zeroPoint, panels);
  const caps = capsOf(operation.caps, panels * CHANNEL_BLOCK);
  return {
    runs: 'wasm',
    operation,
    kernel: `conv.winograd${form.outputs}x${form.outputs}.${dot.name}${residual ? `.${residual.operation.kind}` : ''}`,
    macs: layout.height * layout.width * weights.data.length,
    constants: [packTaps(weights, { panels, depth, weightBytes }), bytesOf(bias), bytesOf(multipliers), ...caps],
    scratchBytes: scratchOf(conv).end,
    units: unitsOf(conv),
    makes: blocksOf(conv) === 1 ? 'panels' : undefined,
    emit: (module, place, follower) => emitFastConv(module, conv, place, follower),
  };
};

function applies({ weights, strides, dilations, group }: ConvOperation): boolean {
  const [, , height, width] = weights.shape;
  return group === 1 && height === 3 && width === 3 && [...strides, ...dilations].every((step) => step === 1);
}

/** The form of the fewest products that fits the image and the bound of the sums. */
function formFor(height: number, width: number, weights: QuantizedWeights): WinogradForm | undefined {
  const reach = largestSum(weights);
  return [fourByFour, twoByTwo].find((form) => Math.min(height, width) >= form.outputs && reach < reachOf(form));
}

/** max |Σ (w − zw) · x| over output channels and bytes x. */
function largestSum({ data, bias, zeroPoints }: QuantizedWeights): number {
  const taps = data.length / bias.length;
  let largest = 0;
  for (let m = 0; m < bias.length; m++) {
    let [positive, negative] = [0, 0];
    for (let k = m * taps; k < (m + 1) * taps; k++) {
      const weight = data[k]! - zeroPoints[m]!;
      if (weight > 0) positive += weight;
      else negative -= weight;
    }
    largest = Math.max(largest, 255 * positive, 255 * negative);
  }
  return largest;
}

/** As few blocks as fit the cache, of equal size, a multiple of the rows. */
function chooseTiles(tiles: number, rows: number, tileBytes: number): number {
  const most = Math.max(rows, Math.floor(BLOCK_BYTES / tileBytes / rows) * rows);
  const blocks = Math.ceil(tiles / most);
  return Math.min(tiles, roundUp(Math.ceil(tiles / blocks), rows));
}

/** bias − zx · Σ (w − zw), so that the kernel sums stored bytes, and multipliers, of all channels of the panels. */
function linesOf({ data, bias, zeroPoints, multipliers }: QuantizedWeights, inputZeroPoint: number, panels: number) {
  const taps = data.length / bias.length;
  const lines = {
    bias: new Int32Array(panels * CHANNEL_BLOCK),
    multipliers: new Float32Array(panels * CHANNEL_BLOCK),
  };
  lines.multipliers.set(multipliers);
  for (let m = 0; m < bias.length; m++) {
    let sum = 0;
    for (let k = m * taps; k < (m + 1) * taps; k++) sum += data[k]! - zeroPoints[m]!;
    lines.bias[m] = bias[m]! - inputZeroPoint * sum;
  }
  return lines;
}
