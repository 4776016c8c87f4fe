import fc from 'fast-check';
import { seededRandom } from '../../../src/base/index.ts';
import { tensor } from '../../../src/tensor/index.ts';
import { upTo, type Problem, type Suite } from '../problem.ts';
import { floatCommon } from './elementwise.ts';
import { constantOf, floatProblem } from './node.ts';

const images = fc.tuple(upTo(37), upTo(5), upTo(5)).map((sizes) => [1, ...sizes] as const);

const batchNormalizations = fc.tuple(images, floatCommon).map(([shape, common]): Problem => {
  const random = seededRandom(common.seed + 1);
  const [, channels] = shape;
  const statistics = [0, 1, 2].map(() => constantOf([channels], random));
  const variance = tensor(
    'float32',
    [channels],
    Float32Array.from({ length: channels }, () => random() * 4),
  );
  return floatProblem({ opType: 'BatchNormalization', inputs: [shape, ...statistics, variance] }, common, {
    kernel: /^float\.batchnormalization$/,
  });
});

const instanceNormalizations = fc.tuple(images, floatCommon).map(([shape, common]): Problem => {
  const random = seededRandom(common.seed + 1);
  const scales = [0, 1].map(() => constantOf([shape[1]], random));
  return floatProblem({ opType: 'InstanceNormalization', inputs: [shape, ...scales] }, common, {
    kernel: /^float\.instancenormalization$/,
  });
});

const responses = fc
  .tuple(
    images,
    upTo(7),
    fc.constantFrom(1e-4, 0.5),
    fc.constantFrom(0.75, 0.5, 0.3, 1, 2),
    fc.constantFrom(1, 2),
    floatCommon,
  )
  .map(([shape, size, alpha, beta, bias, common]): Problem => {
    const attributes = { size, alpha, beta, bias };
    return floatProblem({ opType: 'LRN', attributes, inputs: [shape] }, common, {
      kernel: /^float\.lrn$/,
      specials: 'with specials',
    });
  });

/** Rows of tokens and of images with their channels last. */
const tokens = fc.oneof(
  fc.tuple(upTo(9), fc.oneof(upTo(19), fc.constantFrom(16, 36))).map((sizes) => ({ shape: [1, ...sizes], axis: -1 })),
  fc
    .tuple(upTo(4), upTo(4), upTo(19))
    .chain((sizes) => fc.constantFrom(-1, 3, 2, 1).map((axis) => ({ shape: [1, ...sizes], axis }))),
);

const layerNormalizations = fc
  .tuple(tokens, fc.constantFrom(1e-5, 1e-3), fc.boolean(), floatCommon)
  .map(([{ shape, axis }, epsilon, shifted, common]): Problem => {
    const random = seededRandom(common.seed + 1);
    const normalized = shape.slice(axis);
    const [gamma, beta] = [constantOf(normalized, random), constantOf(normalized, random)];
    const inputs = [shape, gamma, ...(shifted ? [beta] : [])];
    return floatProblem({ opType: 'LayerNormalization', attributes: { axis, epsilon }, inputs }, common, {
      kernel: /^float\.layernormalization$/,
      specials: 'with specials',
    });
  });

export const floatNormalizationSuites: readonly Suite[] = [
  { name: 'float batch normalization', problems: batchNormalizations, runs: 15 },
  { name: 'float instance normalization', problems: instanceNormalizations, runs: 15 },
  { name: 'float normalization of rows', problems: layerNormalizations, runs: 40 },
  { name: 'float local response normalization', problems: responses, runs: 20 },
];
