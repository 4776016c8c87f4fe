import { numberAttribute, type Node } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type Placement, type StepParameters } from '../../plan/step.ts';
import { bytesOf } from '../requantize.ts';
import { imageOf, type FloatImage } from './image.ts';
import type { FloatPlanner } from './planner.ts';
import { emitPower, hasPower } from './power.ts';
import { splat64 } from './vectorFunction.ts';
import { emitNarrowed, emitStoreFloats, emitWidened, LANES } from './vectors.ts';

/** y = x · factor + shift a channel, in float64, from the stored statistics. */
export const planBatchNormalization: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const image = imageOf(node.inputs[0] ?? '', context);
  if (node.domain !== '' || node.opType !== 'BatchNormalization' || !image || !imageOf(output, context))
    return undefined;
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => context.graph.constants.get(name)?.data);
  if (!gamma || !beta || !mean || !variance || operation.outputs.length > 1) return undefined;
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const padded = Math.ceil(image.channels / LANES) * LANES;
  const [factors, shifts] = [new Float64Array(padded), new Float64Array(padded)];
  for (let c = 0; c < image.channels; c++) {
    factors[c] = Number(gamma[c]) / Math.sqrt(Number(variance[c]) + epsilon);
    shifts[c] = Number(beta[c]) - Number(mean[c]) * factors[c]!;
  }
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.batchnormalization',
    macs: 0,
    constants: [bytesOf(factors), bytesOf(shifts)],
    scratchBytes: 0,
    units: image.height * image.width,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const [factorAt = 0, shiftAt = 0] = place.constants;
        const index = f.local('i');
        const halves = f.locals('v', 2) as [Local, Local];
        const addresses = { from: place.address(node.inputs[0] ?? ''), to: place.address(output) };
        emitPixels(f, image, addresses, parameters, {
          start: () => f.i32(0).set(index),
          compute: (x) => {
            for (const half of [0, 1] as const) {
              emitWidened(f, x, half);
              f.get(index)
                .op('v128.load', { offset: factorAt + half * 16 })
                .op('f64x2.mul');
              f.get(index)
                .op('v128.load', { offset: shiftAt + half * 16 })
                .op('f64x2.add')
                .set(halves[half]);
            }
            f.get(index).i32(32).op('i32.add').set(index);
            emitNarrowed(f, halves);
          },
        });
      }),
  };
};

interface Walk {
  /** Begins a pixel, whose channels the local points to. */
  readonly start: (pixel: Local) => void;
  /** Pushes the results of four channels. */
  readonly compute: (x: Local) => void;
}

/** for each pixel: for each vector of channels: compute, store */
function emitPixels(
  f: FunctionBuilder,
  { channels }: FloatImage,
  { from, to }: { readonly from: number; readonly to: number },
  { arena, begin, end }: StepParameters,
  { start, compute }: Walk,
): void {
  const [pixel, at, channel] = f.locals('i', 3) as [Local, Local, Local];
  const [x, y] = f.locals('v', 2) as [Local, Local];
  const whole = Math.floor(channels / LANES);
  const rest = channels % LANES;
  const vector = (count: number): void => {
    f.get(at).op('v128.load', { offset: from }).set(x);
    compute(x);
    f.set(y);
    emitStoreFloats(f, y, { at, offset: to, count });
    f.get(at)
      .i32(count * 4)
      .op('i32.add')
      .set(at);
  };
  f.get(begin)
    .i32(channels * 4)
    .op('i32.mul')
    .get(arena)
    .op('i32.add')
    .set(at);
  f.repeat(pixel, { start: begin, end, step: 1 }, () => {
    start(at);
    if (whole > 0) f.repeat(channel, { start: 0, end: whole, step: 1 }, () => vector(LANES));
    if (rest > 0) vector(rest);
  });
}

interface Response {
  readonly size: number;
  readonly before: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

function responseOf(node: Node): Response {
  const size = numberAttribute(node, 'size');
  return {
    size,
    before: Math.floor((size - 1) / 2),
    alpha: numberAttribute(node, 'alpha', 1e-4) / size,
    beta: numberAttribute(node, 'beta', 0.75),
    bias: numberAttribute(node, 'bias', 1),
  };
}

/**
 * Local response normalization: y = x / (bias + alpha / size · Σ x²)^beta over `size` channels around. The squares of a pixel lie
 * in scratch with zeros at both ends, which change no sum:
 *
 *   0 … 0 │ x0² x1² … xC² │ 0 … 0
 */
export const planLrn: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const image = imageOf(node.inputs[0] ?? '', context);
  if (node.domain !== '' || node.opType !== 'LRN' || !image || !imageOf(output, context)) return undefined;
  const response = responseOf(node);
  if (!hasPower(response.beta)) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.lrn',
    macs: 0,
    constants: [],
    scratchBytes: (image.channels + response.size + 2 * LANES) * 8,
    units: image.height * image.width,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => emitLrn(f, { node, image, response, output }, place, parameters)),
  };
};

interface Lrn {
  readonly node: Node;
  readonly image: FloatImage;
  readonly response: Response;
  readonly output: string;
}

function emitLrn(f: FunctionBuilder, lrn: Lrn, place: Placement, parameters: StepParameters): void {
  const { image, response, output } = lrn;
  const { scratch } = parameters;
  const from = place.address(lrn.node.inputs[0] ?? '');
  const [alpha, bias] = [splat64(f, response.alpha), splat64(f, response.bias)];
  const power = emitPower(f, response.beta);
  const [squares, at, channel] = f.locals('i', 3) as [Local, Local, Local];
  const [x, sum] = f.locals('v', 2) as [Local, Local];
  const halves = f.locals('v', 2) as [Local, Local];
  const zeros = (offset: number, count: number): void => {
    if (count > 0)
      f.get(scratch)
        .i32(offset)
        .op('i32.add')
        .i32(0)
        .i32(count * 8)
        .op('memory.fill');
  };
  const square = (offset: number): void => {
    f.get(at).op('v128.load', { offset: from }).set(x);
    for (const half of [0, 1] as const) {
      f.get(squares);
      emitWidened(f, x, half);
      emitWidened(f, x, half);
      f.op('f64x2.mul').op('v128.store', { offset: offset + half * 16 });
    }
  };
  const after = response.size - 1 - response.before;
  zeros(0, response.before);
  emitPixels(f, image, { from, to: place.address(output) }, parameters, {
    start: (pixel) => {
      f.get(pixel).set(at).get(scratch).set(squares);
      f.repeat(channel, { start: 0, end: Math.ceil(image.channels / LANES), step: 1 }, () => {
        square(response.before * 8);
        f.get(at)
          .i32(LANES * 4)
          .op('i32.add')
          .set(at);
        f.get(squares)
          .i32(LANES * 8)
          .op('i32.add')
          .set(squares);
      });
      zeros((response.before + image.channels) * 8, after + LANES);
      f.get(scratch).set(squares);
    },
    compute: (lanes) => {
      for (const half of [0, 1] as const) {
        f.v128(new Uint8Array(16));
        for (let k = 0; k < response.size; k++)
          f.get(squares)
            .op('v128.load', { offset: k * 8 + half * 16 })
            .op('f64x2.add');
        f.get(alpha).op('f64x2.mul').get(bias).op('f64x2.add').set(sum);
        emitWidened(f, lanes, half);
        power(sum);
        f.op('f64x2.div').set(halves[half]);
      }
      f.get(squares)
        .i32(LANES * 8)
        .op('i32.add')
        .set(squares);
      emitNarrowed(f, halves);
    },
  });
}
