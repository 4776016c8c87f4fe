import { shapesEqual } from '../../../tensor/index.ts';
import type { QuantizedValue } from '../../../graph/index.ts';
import { isContiguous, roundUp, type Layout } from '../../plan/layout.ts';
import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { rowsScratchBytes } from '../requantize.ts';
import type { Binary } from './arithmetic.ts';
import { emitPerPixel, perPixelUnits, type PixelWise } from './perPixel.ts';
import { emitSame } from './same.ts';

/**
 * Bytes of the second operand against the first: all of them, or one pixel's channels for every pixel ([1, C, 1, 1]
 * against an image).
 */
type Pattern = 'same' | 'perPixel';

/**
 * add, sub, mul of two values of one layout: widen to float32, compute as the reference states, round, narrow. Padding
 * channels are computed too, and mean nothing.
 */
export const planBinary: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'add' && operation.kind !== 'sub' && operation.kind !== 'mul') return undefined;
  const [first, second] = operation.inputs;
  const values = [first, second, operation.output].map((name) => context.graph.values.get(name));
  const layouts = [first, second, operation.output].map((name) => context.layouts.get(name));
  const [a, b, y] = values;
  const [layoutA, layoutB, layoutY] = layouts;
  if (a?.kind !== 'quantized' || b?.kind !== 'quantized' || y?.kind !== 'quantized') return undefined;
  if (!layoutA || !layoutB || !layoutY) return undefined;
  if (![layoutA, layoutB, layoutY].every(isContiguous)) return undefined;
  const straight = order(a, b, y, layoutB);
  const pattern = straight ?? order(b, a, y, layoutA);
  if (!pattern || (layoutY.kind === 'nhwc' && layoutY.channelStride % 16 !== 0)) return undefined;
  const binary: Binary = {
    operation,
    large: straight ? { name: first, value: a } : { name: second, value: b },
    small: straight ? { name: second, value: b } : { name: first, value: a },
    output: y,
    // sub is not symmetric: the sign goes with the second operand of the file
    signs: operation.kind !== 'sub' ? [1, 1] : straight ? [1, -1] : [-1, 1],
  };
  const step = {
    ...({ runs: 'wasm', operation, kernel: `${operation.kind}.${pattern}`, macs: 0, constants: [] } as const),
    scratchBytes: rowsScratchBytes(2),
  };
  if (pattern === 'perPixel' && layoutY.kind === 'nhwc') {
    const { height, width, channelStride } = layoutY;
    const pixelWise: PixelWise = { ...binary, pixels: height * width, channelStride };
    return {
      ...step,
      units: perPixelUnits(pixelWise),
      emit: (module, place) => stepFunction(module, (f, parameters) => emitPerPixel(f, pixelWise, place, parameters)),
    };
  }
  const length = roundUp(layoutY.byteLength, 16);
  const vectors = length % 32 === 0 ? 2 : 1;
  return {
    ...step,
    units: length / (vectors * 16),
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => emitSame(f, { ...binary, vectors }, place, parameters)),
  };
};

function order(large: QuantizedValue, small: QuantizedValue, y: QuantizedValue, layout: Layout): Pattern | undefined {
  if (!shapesEqual(large.shape, y.shape)) return undefined;
  if (shapesEqual(small.shape, y.shape)) return 'same';
  const pixel = layout.kind === 'nhwc' && layout.height * layout.width === 1;
  const image = y.shape.length === 4 && y.shape[0] === 1;
  return pixel && image && small.shape.length === 4 && small.shape[1] === y.shape[1] ? 'perPixel' : undefined;
}
