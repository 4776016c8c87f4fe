import { numberAttribute } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type StepParameters } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { bytesOf } from '../requantize.ts';
import { splat64 } from './vectorFunction.ts';
import { imageOf, type FloatImage } from './image.ts';
import type { FloatPlanner } from './planner.ts';
import { emitAddWide, emitNarrowed, emitStoreFloats, emitWidened, LANES } from './vectors.ts';

/** y = gamma · (x − mean) / √(var + epsilon) + beta a channel, with the image's own mean and variance, in float64. */
export const planInstanceNormalization: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const [from = '', gammaName = '', betaName = ''] = node.inputs;
  const image = imageOf(from, context);
  if (node.domain !== '' || node.opType !== 'InstanceNormalization' || !image || !imageOf(output, context))
    return undefined;
  const scales = [gammaName, betaName].map((name) => context.graph.constants.get(name)?.data);
  if (scales.some((data) => data === undefined)) return undefined;
  const constants = scales.map((data) => {
    const padded = new Float64Array(Math.ceil(image.channels / LANES) * LANES);
    padded.set(Array.from<number | bigint, number>(data ?? [], Number));
    return bytesOf(padded);
  });
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.instancenormalization',
    macs: 0,
    constants,
    scratchBytes: 0,
    units: Math.ceil(image.channels / LANES),
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const [gamma = 0, beta = 0] = place.constants;
        const addresses = { from: place.address(from), to: place.address(output), gamma, beta };
        emitInstance(f, image, { ...addresses, epsilon: numberAttribute(node, 'epsilon', 1e-5) }, parameters);
      }),
  };
};

interface Place {
  readonly from: number;
  readonly to: number;
  readonly gamma: number;
  readonly beta: number;
  readonly epsilon: number;
}

/**
 * for each four channels:
 *   mean = Σ x / pixels;  variance = Σ (x − mean)² / pixels;  factor = gamma / √(variance + epsilon)
 *   for each pixel: y = (x − mean) · factor + beta
 */
function emitInstance(f: FunctionBuilder, image: FloatImage, place: Place, parameters: StepParameters): void {
  const { channels } = image;
  const pixels = image.height * image.width;
  const [unit, channel, at, pixel] = f.locals('i', 4) as [Local, Local, Local, Local];
  const x = f.local('v');
  const pair = (): readonly [Local, Local] => f.locals('v', 2) as [Local, Local];
  const [mean, factor, wide] = [pair(), pair(), pair()];
  const [count, epsilon] = [splat64(f, pixels), splat64(f, place.epsilon)];
  const passes = (body: () => void): void => {
    f.get(channel).i32(4).op('i32.mul').get(parameters.arena).op('i32.add').set(at);
    f.repeat(pixel, { start: 0, end: pixels, step: 1 }, () => {
      f.get(at).op('v128.load', { offset: place.from }).set(x);
      body();
      f.get(at)
        .i32(channels * 4)
        .op('i32.add')
        .set(at);
    });
  };
  const halves = (body: (half: 0 | 1) => void): void => {
    body(0);
    body(1);
  };
  const constant = (table: number, half: 0 | 1): void => {
    f.get(channel)
      .i32(8)
      .op('i32.mul')
      .op('v128.load', { offset: table + half * 16 });
  };
  f.repeat(unit, { start: parameters.begin, end: parameters.end, step: 1 }, () => {
    f.get(unit).i32(LANES).op('i32.mul').set(channel);
    if (channels >= LANES) emitLastFits(f, channel, channels, LANES);
    halves((half) => f.v128(new Uint8Array(16)).set(mean[half]).v128(new Uint8Array(16)).set(factor[half]));
    passes(() => emitAddWide(f, x, mean));
    halves((half) => f.get(mean[half]).get(count).op('f64x2.div').set(mean[half]));
    passes(() =>
      halves((half) => {
        emitWidened(f, x, half);
        f.get(mean[half]).op('f64x2.sub').set(wide[half]);
        f.get(factor[half]).get(wide[half]).get(wide[half]).op('f64x2.mul').op('f64x2.add').set(factor[half]);
      }),
    );
    halves((half) => {
      constant(place.gamma, half);
      f.get(factor[half]).get(count).op('f64x2.div').get(epsilon).op('f64x2.add').op('f64x2.sqrt').op('f64x2.div');
      f.set(factor[half]);
    });
    passes(() => {
      halves((half) => {
        emitWidened(f, x, half);
        f.get(mean[half]).op('f64x2.sub').get(factor[half]).op('f64x2.mul');
        constant(place.beta, half);
        f.op('f64x2.add').set(wide[half]);
      });
      emitNarrowed(f, wide);
      f.set(x);
      emitStoreFloats(f, x, { at, offset: place.to, count: Math.min(LANES, channels) });
    });
  });
}
