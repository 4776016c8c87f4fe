import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { AveragePoolOperation, Clamp, MaxPoolOperation } from '../../src/graph/index.ts';
import {
  batches,
  bytes,
  clamps,
  graphOf,
  problemOf,
  quantized,
  seeds,
  upTo,
  type Problem,
  type Suite,
} from './problem.ts';

interface PoolSizes {
  readonly channels: number;
  readonly size: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly zeroPoints: readonly [number, number];
  readonly scales: readonly [number, number];
  readonly clamp: Clamp;
  readonly countIncludePad: boolean;
  /** [1, C] instead of [1, C, 1, 1] where one pixel is left. */
  readonly flat: boolean;
  readonly batch: number;
  readonly seed: number;
}

const pad = fc.integer({ min: 0, max: 3 });
const scale = fc.integer({ min: 1, max: 100_000 }).map((n) => Math.fround(n / 9_973));

const common = {
  channels: upTo(40),
  zeroPoints: fc.tuple(bytes, bytes),
  scales: fc.oneof(
    fc.tuple(scale, scale),
    fc.constantFrom([1, 1] as const, [1, 2] as const, [8, 1] as const, [1e20, 1e-20] as const),
  ),
  clamp: clamps,
  countIncludePad: fc.boolean(),
  flat: fc.boolean(),
  batch: batches,
  seed: seeds,
};

const windows = fc
  .record<PoolSizes>({
    ...common,
    size: fc.tuple(upTo(9), upTo(9)),
    kernel: fc.tuple(upTo(4), upTo(4)),
    strides: fc.tuple(upTo(3), upTo(3)),
    dilations: fc.tuple(upTo(2), upTo(2)),
    pads: fc.tuple(pad, pad, pad, pad),
  })
  .filter(({ kernel, dilations, pads, size }) =>
    [0, 1].every((d) => size[d]! + pads[d]! + pads[d + 2]! > (kernel[d]! - 1) * dilations[d]!),
  );

/** One window over the whole image, small ones written out, large ones in a loop. */
const global = fc
  .record({ ...common, height: upTo(9), width: upTo(9) })
  .map(({ height, width, ...rest }): PoolSizes => ({
    ...rest,
    ...{ size: [height, width], kernel: [height, width], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
  }));

/** One window of more taps than 16 bits can sum; of more columns, too. */
const huge = fc
  .record({ ...common, channels: upTo(20), extents: fc.constantFrom([17, 16] as const, [2, 300] as const) })
  .map(({ extents: size, ...rest }): PoolSizes => ({
    ...rest,
    ...{ size, kernel: size, strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
  }));

const sizes = fc.oneof(
  { weight: 12, arbitrary: windows },
  { weight: 4, arbitrary: global },
  { weight: 1, arbitrary: huge },
);

const spanOf = ({ kernel }: PoolSizes, dilations: readonly [number, number], d: 0 | 1): number =>
  (kernel[d] - 1) * dilations[d] + 1;

function outputShape(pool: PoolSizes, dilations: readonly [number, number]): number[] {
  const out = ([0, 1] as const).map(
    (d) =>
      Math.floor((pool.size[d] + pool.pads[d] + pool.pads[d + 2]! - spanOf(pool, dilations, d)) / pool.strides[d]) + 1,
  );
  const single = out[0] === 1 && out[1] === 1;
  return single && pool.flat ? [1, pool.channels] : [1, pool.channels, ...out];
}

/** Whether some window lies in the padding alone. */
function hasEmptyWindow(pool: PoolSizes): boolean {
  const [, , height = 1, width = 1] = outputShape({ ...pool, flat: false }, pool.dilations);
  return ([0, 1] as const).some((d) =>
    Array.from({ length: d === 0 ? height : width }, (_, at) => at * pool.strides[d] - pool.pads[d]).some((first) =>
      Array.from({ length: pool.kernel[d] }, (_, k) => first + k * pool.dilations[d]).every(
        (place) => place < 0 || place >= pool.size[d],
      ),
    ),
  );
}

function maxProblem(pool: PoolSizes): Problem {
  const { kernel, strides, pads, dilations } = pool;
  const operation: MaxPoolOperation = {
    ...{ kind: 'maxPool', name: 'pool', input: 'x', output: 'y', kernel, strides, pads, dilations },
  };
  const values = {
    x: quantized([1, pool.channels, ...pool.size], pool.zeroPoints[0]),
    y: quantized(outputShape(pool, dilations), pool.zeroPoints[0]),
  };
  return problemOf({
    graph: graphOf([operation], values, { inputs: ['x'], outputs: ['y'] }),
    kernels: { pool: () => (hasEmptyWindow(pool) ? /^reference\.maxPool$/ : /^maxPool/) },
    ...{ random: seededRandom(pool.seed), batch: pool.batch, sizes: pool },
  });
}

function averageProblem(pool: PoolSizes): Problem {
  const { kernel, strides, pads, countIncludePad, clamp, zeroPoints, scales } = pool;
  const operation: AveragePoolOperation = {
    ...{ kind: 'averagePool', name: 'pool', input: 'x', output: 'y', kernel, strides, pads, countIncludePad, clamp },
  };
  const values = {
    x: quantized([1, pool.channels, ...pool.size], zeroPoints[0], scales[0]),
    y: quantized(outputShape(pool, [1, 1]), zeroPoints[1], scales[1]),
  };
  return problemOf({
    graph: graphOf([operation], values, { inputs: ['x'], outputs: ['y'] }),
    kernels: { pool: () => /^averagePool/ },
    ...{ random: seededRandom(pool.seed), batch: pool.batch, sizes: pool },
  });
}

export const poolSuites: readonly Suite[] = [
  { name: 'max pooling', problems: sizes.map(maxProblem), runs: 30 },
  { name: 'average pooling', problems: sizes.map(averageProblem), runs: 40 },
];
