import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, errorCatalogue, seededRandom } from '../../src/base/index.ts';
import { readModel, writeModel, type ReadLimits } from '../../src/onnx/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { operatorCases } from '../transform/support/operatorCases.ts';
import { modelOf } from '../transform/support/build.ts';
import { mutate } from '../suites/onnx/mutate.ts';
import { networkOf, networkSpecs } from '../suites/onnx/network.ts';
import { seeds, upTo } from '../suites/problem.ts';
import { everyKind } from './support/everyKind.ts';

/** Small limits, so that a damaged length that asks for memory is refused, not granted. */
const limits: Partial<ReadLimits> = {
  itemCount: 20_000,
  numberCount: 50_000,
  elementCount: 2 ** 22,
  decodedBytes: 2 ** 24,
};
const importLimits = { foldedBytes: 2 ** 24, valueElements: 2 ** 22, foldedSteps: 1e7, steps: 1e10 };

/** Reads and imports; what goes wrong must be an error of the catalogue. */
function outcome(bytes: Uint8Array): string {
  try {
    importModel(readModel(bytes, { limits }), { limits: importLimits });
    return 'fine';
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(errorCatalogue[error.code].kind).not.toBe('internal');
    expect(error.message.length).toBeGreaterThan(10);
    return error.code;
  }
}

const root = process.env.OCTET_TEST_MODELS;
if (root === undefined) console.log('skipped: damaged files of the zoo (OCTET_TEST_MODELS is not set)');

const own = new Map<string, Uint8Array>([
  ['every kind of value', writeModel(everyKind)],
  ...['channel shuffle from shape arithmetic', 'operators on bytes', 'padding of channels from ConstantOfShape'].map(
    (name): [string, Uint8Array] => [name, writeModel(modelOf(operatorCases[name]!))],
  ),
]);
const smallOfZoo = ['mnist_cntk.onnx', 'digits-mobilenet.onnx', 'ref_int8/*.onnx', 'light/light_shufflenet.onnx'];
const zoo = new Map(
  root === undefined
    ? []
    : globSync(smallOfZoo, { cwd: root }).map((file): [string, Uint8Array] => [
        file,
        readFileSync(resolve(root, file)),
      ]),
);

describe.each([...own, ...zoo])('%s', (_, file) => {
  const runs = file.length > 50_000 ? 40 : 250;

  it('truncated anywhere is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: file.length - 1 }), (length) => {
        outcome(file.subarray(0, length));
      }),
      { numRuns: runs },
    );
  });

  it('with flipped bits is read or refused', () => {
    const flip = fc.tuple(fc.integer({ min: 0, max: file.length - 1 }), fc.integer({ min: 0, max: 7 }));
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 6 }), (flips) => {
        const damaged = Uint8Array.from(file);
        for (const [at, bit] of flips) damaged[at] = damaged[at]! ^ (1 << bit);
        outcome(damaged);
      }),
      { numRuns: runs },
    );
  });

  it('with a stretch of other bytes is read or refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: file.length - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 12 }),
        (at, patch) => {
          const damaged = Uint8Array.from(file);
          damaged.set(patch.subarray(0, file.length - at), at);
          outcome(damaged);
        },
      ),
      { numRuns: runs },
    );
  });
});

/** Networks that are changed: always the same ones, but for as many as the environment asks for. */
const changedNetworks =
  process.env.OCTET_TEST_NETWORKS === undefined
    ? { numRuns: 1000, seed: 1 }
    : { numRuns: Number(process.env.OCTET_TEST_NETWORKS) };

const LONG = { timeout: 60_000 + 20 * changedNetworks.numRuns };

it('networks whose attributes, names, types or elements are others are read or refused', LONG, () => {
  fc.assert(
    fc.property(networkSpecs, seeds, upTo(3), (spec, seed, changes) => {
      const random = seededRandom(seed);
      let model = networkOf(spec);
      for (let change = 0; change < changes; change++) model = mutate(model, random);
      outcome(writeModel(model));
    }),
    changedNetworks,
  );
});

it('bytes of chance are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(outcome(bytes)).not.toBe('fine');
    }),
    { numRuns: 2000 },
  );
});
