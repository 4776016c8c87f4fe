import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { BinaryOperation, TableOperation } from '../../src/graph/index.ts';
import { elementCount, tensor } from '../../src/tensor/index.ts';
import {
  batches,
  bytes,
  clamps,
  graphOf,
  problemOf,
  quantized,
  randomBytes,
  seeds,
  upTo,
  type ExpectedKernel,
  type Suite,
} from './problem.ts';

const kinds = ['add', 'sub', 'mul'] as const;

/** Scales that are powers of two make ties, others random mantissas; far apart, they saturate. */
const scales = fc.oneof(
  fc.integer({ min: -8, max: 2 }).map((exponent) => 2 ** exponent),
  fc.integer({ min: 1, max: 1_000_000 }).map((n) => Math.fround(n / 99_991)),
  fc.constantFrom(1e-20, 1e20),
);

/** Shapes of two operands of which the first is not smaller, and how the kernel walks them. */
const operandShapes = fc
  .record({
    // many channels: a few pixels fill what a step takes
    channels: fc.oneof(
      { weight: 9, arbitrary: upTo(40) },
      { weight: 1, arbitrary: fc.integer({ min: 900, max: 1200 }) },
    ),
    height: upTo(7),
    width: upTo(7),
  })
  .chain(({ channels, height, width }) => {
    const image = [1, channels, height, width];
    const pixels = height * width > 1;
    const pixel = pixels ? /\.perPixel$/ : /\.same$/;
    const island = channels * height * width > 1 ? /^reference\./ : /\.same$/;
    return fc.constantFrom<{ large: readonly number[]; small: readonly number[]; kernel: RegExp }>(
      { large: image, small: image, kernel: /\.same$/ },
      { large: image, small: [1, channels, 1, 1], kernel: pixel },
      { large: [1, channels], small: [1, channels], kernel: /\.same$/ },
      { large: [1, height, channels], small: [1, height, channels], kernel: /\.same$/ },
      { large: image, small: [1, 1, 1, 1], kernel: channels === 1 ? pixel : island },
      { large: image, small: [1, 1, height, width], kernel: channels === 1 ? /\.same$/ : /^reference\./ },
      { large: image, small: [width], kernel: /^reference\./ },
    );
  });

export const binarySuite: Suite = {
  name: 'add, sub, mul',
  runs: 60,
  problems: fc
    .record({
      kind: fc.constantFrom(...kinds),
      shapes: operandShapes,
      swapped: fc.boolean(),
      /** The small operand is a constant. */
      held: fc.boolean(),
      scales: fc.tuple(scales, scales, scales),
      zeroPoints: fc.tuple(bytes, bytes, bytes),
      clamp: clamps,
      batch: batches,
      seed: seeds,
    })
    .map((sizes) => {
      const { large, small, kernel } = sizes.shapes;
      const [shapeA, shapeB] = sizes.swapped ? [small, large] : [large, small];
      const operation: BinaryOperation = {
        ...{ kind: sizes.kind, name: 'binary', inputs: ['a', 'b'], output: 'y', clamp: sizes.clamp },
      };
      const values = {
        a: quantized(shapeA, sizes.zeroPoints[0], sizes.scales[0]),
        b: quantized(shapeB, sizes.zeroPoints[1], sizes.scales[1]),
        y: quantized(large, sizes.zeroPoints[2], sizes.scales[2]),
      };
      const held = sizes.held || small.length !== large.length;
      const name = sizes.swapped ? 'a' : 'b';
      const inputs = ['a', 'b'].filter((input) => !held || input !== name);
      const random = seededRandom(sizes.seed);
      const data = randomBytes(elementCount(small), random);
      const constants = held ? { [name]: tensor('uint8', small, data) } : {};
      const expected: ExpectedKernel = () => kernel;
      return problemOf({
        graph: graphOf([operation], values, { inputs, outputs: ['y'] }, constants),
        kernels: { binary: expected },
        ...{ random, batch: sizes.batch, sizes },
      });
    }),
};

/** Any bytes, or a ramp between 0 and 255, which is a parabola wherever it does not bend. */
const tables = fc.oneof(
  fc.constant(undefined),
  fc.record({ slope: fc.integer({ min: -120, max: 120 }), start: fc.integer({ min: -8000, max: 24_000 }) }),
);

const ramp = ({ slope, start }: { readonly slope: number; readonly start: number }): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, x) => Math.min(255, Math.max(0, (start + slope * x) >> 6)));

export const tableSuite: Suite = {
  name: 'table',
  runs: 30,
  problems: fc
    .record({
      shape: fc.oneof(
        fc.tuple(fc.constant(1), upTo(40), upTo(5), upTo(5)),
        fc.tuple(fc.constant(1), upTo(70)),
        fc.tuple(fc.constant(1), upTo(9), upTo(9)),
      ),
      form: tables,
      batch: batches,
      seed: seeds,
    })
    .map(({ shape, form, batch, seed }) => {
      const random = seededRandom(seed);
      const operation: TableOperation = {
        ...{ kind: 'table', name: 'table', opType: 'Sigmoid', input: 'x', output: 'y' },
        table: form ? ramp(form) : randomBytes(256, random),
      };
      const values = { x: quantized(shape, 3), y: quantized(shape, 200) };
      const relaxed = form ? 'parabolas' : '(select|parabolas)';
      return problemOf({
        graph: graphOf([operation], values, { inputs: ['x'], outputs: ['y'] }),
        kernels: { table: () => new RegExp(String.raw`^table\.(swizzle|${relaxed}(\.mixed)?)$`) },
        ...{ random, batch },
      });
    }),
};
