import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { FullyConnectedOperation } from '../../src/graph/index.ts';
import { gemmKernel } from './conv.ts';
import {
  batches,
  bytes,
  clamps,
  graphOf,
  problemOf,
  quantized,
  seeds,
  upTo,
  type ExpectedKernel,
  type Suite,
} from './problem.ts';
import { randomWeights, weightKinds } from './weights.ts';

const rows = fc.oneof(
  { weight: 4, arbitrary: fc.constant([1] as const) },
  { weight: 1, arbitrary: fc.constantFrom([3] as const, [1, 2] as const) },
);

const island: ExpectedKernel = () => /^reference\.fullyConnected$/;

/** Layers of bytes and of real numbers; more than one row runs on the reference kernels. */
export const fullyConnectedSuite: Suite = {
  name: 'fully connected',
  runs: 40,
  problems: fc
    .record({
      rows,
      depth: upTo(90),
      outputs: upTo(40),
      zeroPoints: fc.tuple(bytes, bytes),
      clamp: clamps,
      weights: weightKinds,
      float: fc.boolean(),
      batch: batches,
      seed: seeds,
    })
    .map((sizes) => {
      const random = seededRandom(sizes.seed);
      const operation: FullyConnectedOperation = {
        ...{ kind: 'fullyConnected', name: 'layer', input: 'x', output: 'y', clamp: sizes.clamp },
        weights: randomWeights([sizes.outputs, sizes.depth], sizes.outputs, sizes.weights, {
          zeroPoint: sizes.zeroPoints[0],
          random,
        }),
      };
      const shape = [...sizes.rows, sizes.outputs];
      const x = quantized([...sizes.rows, sizes.depth], sizes.zeroPoints[0]);
      const y = sizes.float
        ? ({ kind: 'float', dtype: 'float32', shape } as const)
        : quantized(shape, sizes.zeroPoints[1]);
      const single = sizes.rows.length === 1 && sizes.rows[0] === 1;
      return problemOf({
        graph: graphOf([operation], { x, y }, { inputs: ['x'], outputs: ['y'] }),
        kernels: { layer: single ? gemmKernel('fullyConnected', sizes.weights) : island },
        ...{ random, batch: sizes.batch, sizes },
      });
    }),
};
