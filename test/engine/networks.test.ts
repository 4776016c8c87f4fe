import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { present, seededRandom } from '../../src/base/index.ts';
import { compile, type Executable } from '../../src/engine/index.ts';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import type { TensorMap } from '../../src/tensor/index.ts';
import { networks } from '../bench/generators/networks.ts';
import { toOnnx } from '../bench/generators/toOnnx.ts';
import { networkProblem } from '../suites/network.ts';
import { problemOf } from '../suites/problem.ts';
import { differenceOf } from './support/compare.ts';
import { lowerFile, quantizeFile } from './support/quantize.ts';
import { runners } from './support/runners.ts';

/** Every tier and arithmetic of this machine, and the plain kernels, as executables. */
function executablesOf(graph: QuantizedGraph): [string, Executable][] {
  const compiled = runners.map(([name, { tier, dot }]): [string, Executable] => [name, compile(graph, { tier, dot })]);
  return [['reference', compile(graph, { tier: 'reference' })], ...compiled];
}

function noise(graph: QuantizedGraph, seed: number, batch = 1): TensorMap {
  return problemOf({ graph, kernels: {}, random: seededRandom(seed), batch }).feeds;
}

function hashOf(outputs: TensorMap): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of outputs)
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

/** No operation may fall back to the plain kernels. */
function expectFast(executable: Executable): void {
  const slow = [...executable.kernels].filter(([, kernel]) => kernel.startsWith('reference.'));
  expect(slow).toEqual([]);
}

/** A loaded network takes little more than its int8 weights and what one thread computes in. */
function expectSmall(graph: QuantizedGraph, executable: Executable): void {
  const weights = graph.operations.reduce(
    (sum, operation) => sum + ('weights' in operation ? operation.weights.data.length : 0),
    0,
  );
  const { wiring } = present(executable.share(), 'a network in memory');
  expect(executable.memoryBytes).toBeLessThanOrEqual(1.3 * weights + wiring.arenaBytes + 2 ** 20);
}

function expectReferenceBits(
  graph: QuantizedGraph,
  executables: readonly [string, Executable][],
  seeds: readonly number[],
): void {
  for (const seed of seeds) {
    const feeds = noise(graph, seed);
    const expected = runQuantized(graph, feeds);
    for (const [name, executable] of executables)
      expect({ name, seed, difference: differenceOf(executable.run(feeds), expected) }).toEqual({ name, seed });
  }
}

/** sha-256 of the outputs of each network for its input, or for seeded noise: what every machine gives. */
const golden = {
  blocks: '5a8c94f03cc1aa849c2d4f88c702e4b5aee97e87077db0de668ba5609d6a8b3c',
  digits: '678ee798d1ea051e169416adb05d50261593ccc8433a5d7e53ed9c5cc5258880',
  mobilenet_v2: '098e3a2ff5c233c4fac793aaa122580b6056ff0e03ffb9ee3bda98c83fd4c5a4',
  mobilenet_v3_small: '37683437ce10cdbeeec9d8eb668edad0ad1bd8d5e6a8dd22f915e3d561fe1128',
} as const;

describe('the golden network', () => {
  const { graph, feeds } = networkProblem(
    {
      ...{ size: 24, stem: 16, classes: 10, seed: 1 },
      blocks: [
        { expand: 32, channels: 16, kernel: 3, stride: 1, gate: false, branch: false, pool: false },
        { expand: 40, channels: 24, kernel: 5, stride: 2, gate: true, branch: true, pool: false },
        { expand: 20, channels: 12, kernel: 3, stride: 1, gate: false, branch: true, pool: true },
      ],
    },
    3,
  );

  it.each(executablesOf(graph))('gives the same hash on %s as everywhere and always', (_, executable) => {
    expect(hashOf(executable.run(feeds))).toBe(golden.blocks);
  });
});

describe('the sample network', () => {
  it('gives the bits of the reference on every tier, and those of every machine', async () => {
    const file = join(import.meta.dirname, '..', '..', 'src', 'cli', 'sample', 'digits-mobilenet.onnx');
    const graph = await quantizeFile(readFileSync(file));
    const executables = executablesOf(graph);
    expectReferenceBits(graph, executables, [1, 2]);
    for (const [, executable] of executables) expect(hashOf(executable.run(noise(graph, 1)))).toBe(golden.digits);
    for (const [name, executable] of executables) if (name !== 'reference') expectFast(executable);
  });
});

describe('networks that are float in part', () => {
  const sample = readFileSync(join(import.meta.dirname, '..', '..', 'src', 'cli', 'sample', 'digits-mobilenet.onnx'));

  it.each([
    ['weights alone', { activations: 'none' }],
    ['depthwise and pooling excluded', { exclude: { nodes: ['*/d.0/Conv'], opTypes: ['GlobalAveragePool'] } }],
    ['sums excluded', { exclude: { opTypes: ['Add', 'Gemm'] } }],
  ])('%s: the sample network on every tier', async (_, recipe) => {
    const graph = await quantizeFile(sample, recipeSchema.parse(recipe));
    expect(graph.operations.some(({ kind }) => kind === 'float')).toBe(true);
    const executables = executablesOf(graph);
    expectReferenceBits(graph, executables, [11]);
    for (const [name, executable] of executables) if (name !== 'reference') expectFast(executable);
  });

  it.each(['mobilenet_v3_small', 'efficientnet_b0', 'squeezenet_1_1'] as const)(
    'weights alone: %s at 64 pixels',
    async (name) => {
      const network = networks[name](7);
      const small = { ...network, input: { ...network.input, shape: [3, 64, 64] } };
      const graph = await quantizeFile(toOnnx(small), recipeSchema.parse({ activations: 'none' }));
      const executable = compile(graph);
      expectReferenceBits(graph, [[executable.tier, executable]], [12]);
      expectFast(executable);
    },
  );
});

describe.each(['mobilenet_v2', 'mobilenet_v3_small'] as const)('%s at 64 pixels', (name) => {
  it('gives the bits of the reference on the fastest tier, and those of every machine', async () => {
    const network = networks[name](7);
    const small = { ...network, input: { ...network.input, shape: [3, 64, 64] } };
    const graph = await quantizeFile(toOnnx(small));
    const executable = compile(graph);
    expectReferenceBits(graph, [[executable.tier, executable]], [3, 4]);
    for (const each of [executable, compile(graph, { tier: 'simd' })])
      expect(hashOf(each.run(noise(graph, 3)))).toBe(golden[name]);
    expectFast(executable);
    expectSmall(graph, executable);
  });
});

const models = process.env.OCTET_TEST_MODELS;
if (models === undefined) console.log('skipped: networks of the zoo on the engine (OCTET_TEST_MODELS is not set)');

describe.skipIf(models === undefined)('networks of the zoo', () => {
  it('a QDQ file of another tool gives the bits of the reference on every tier', () => {
    const file = resolve(models ?? '', 'ref_int8', 'mlperf_tiny_resnet8_cifar10_int8_qdq.onnx');
    const graph = lowerFile(readFileSync(file));
    expectReferenceBits(graph, executablesOf(graph), [5, 6, 7]);
  });

  it.each(['mobilenet_v2_small_cifar10_bn.onnx', 'resnet20_cifar10_bn.onnx', 'ultraface_slim_320_bn.onnx'])(
    '%s gives the bits of the reference on the fastest tier',
    async (file) => {
      const graph = await quantizeFile(readFileSync(resolve(models ?? '', file)));
      const executable = compile(graph);
      expectReferenceBits(graph, [[executable.tier, executable]], [8]);
      expectFast(executable);
    },
  );

  it('a detector with int8 weights alone gives the bits of the reference', async () => {
    const file = resolve(models ?? '', 'ultraface_slim_320_bn.onnx');
    const graph = await quantizeFile(readFileSync(file), recipeSchema.parse({ activations: 'none' }));
    const executable = compile(graph);
    expectReferenceBits(graph, [[executable.tier, executable]], [9]);
    expectFast(executable);
  });
});
