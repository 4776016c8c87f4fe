import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import { affineTable, preprocessingSchema } from '../../src/data/index.ts';
import { pixelFeed } from '../../src/tensor/index.ts';
import { imageGraph, realOf, scales } from './convert.ts';
import {
  asInt8,
  bytes,
  graphOf,
  problemOf,
  quantized,
  randomBytes,
  seeds,
  upTo,
  type Problem,
  type Suite,
} from './problem.ts';

interface PixelSizes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly scale: number;
  readonly zeroPoint: number;
  /** What reads the bytes: a convolution, or, without pixels of four bytes, the caller, as uint8 or as int8. */
  readonly reader: 'conv' | 'uint8' | 'int8';
  /** A preprocessing, or levels that are any float32 and fall between two bytes exactly. */
  readonly levels: { readonly scale: number; readonly mean: number[]; readonly std: number[] } | 'any';
  readonly seed: number;
}

const real = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
const perChannel = (value: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc.array(value, { minLength: 4, maxLength: 4 });

const sizes: fc.Arbitrary<PixelSizes> = fc.record({
  ...{ channels: upTo(4), height: upTo(9), width: upTo(11), scale: scales, zeroPoint: bytes, seed: seeds },
  reader: fc.constantFrom('conv' as const, 'conv' as const, 'uint8' as const, 'int8' as const),
  levels: fc.oneof(
    fc.constant('any' as const),
    fc.record({
      scale: fc.oneof(fc.constantFrom(1, 1 / 255), real(1e-3, 2)),
      mean: perChannel(fc.oneof(fc.constantFrom(0, 127.5), real(-2, 130))),
      std: perChannel(fc.oneof(fc.constant(1), real(1e-3, 130))),
    }),
  ),
});

function pixelProblem(problem: PixelSizes): Problem {
  const { channels, height, width, scale, zeroPoint, reader, levels, seed } = problem;
  const random = seededRandom(seed);
  const shape = [1, channels, height, width];
  const y = quantized(shape, zeroPoint, scale);
  const alone = graphOf(
    [{ kind: 'quantize', name: 'quantize', input: 'x', output: 'y' }],
    { x: { kind: 'float', dtype: 'float32', shape }, y: reader === 'int8' ? asInt8(y) : y },
    { inputs: ['x'], outputs: ['y'] },
  );
  const image = pixelFeed({
    ...{ shape, layout: 'NCHW', data: randomBytes(channels * height * width, random) },
    levels:
      levels === 'any'
        ? Float32Array.from({ length: channels * 256 }, () => realOf(scale, zeroPoint, random))
        : affineTable(preprocessingSchema.parse(levels), channels),
  });
  return problemOf({
    graph: reader === 'conv' ? imageGraph(y) : alone,
    pixels: new Map([['x', image]]),
    kernels: {
      quantize: () => (reader === 'conv' && height * width >= 8 ? /^quantize\.pixels4$/ : /^quantize\.(?!pixels)/),
    },
    ...{ random, batch: 1, sizes: problem },
  });
}

/** Images that come as pixels. */
export const pixelSuite: Suite = { name: 'quantize pixels', problems: sizes.map(pixelProblem), runs: 40 };
