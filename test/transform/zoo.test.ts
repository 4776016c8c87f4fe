import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readModel } from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { importModel, simplify, summarize } from '../../src/transform/index.ts';
import { randomFeeds, relativeError, runBytes, runGraph, sampleOf } from './support/oracle.ts';

const root = process.env.OCTET_TEST_MODELS;
if (root === undefined) console.log('skipped: networks of the zoo (OCTET_TEST_MODELS is not set)');

const files = root === undefined ? [] : globSync(['*.onnx', 'untrained/*.onnx', 'ref_int8/*.onnx'], { cwd: root });

const load = (file: string): Uint8Array => readFileSync(resolve(root ?? '', file));

describe.skipIf(root === undefined)('networks of the zoo', () => {
  it('are there', () => {
    expect(files.length).toBeGreaterThan(10);
  });

  it.each(files)('%s computes the same after import, and after simplification, for any batch', async (file) => {
    const bytes = load(file);
    const imported = importModel(readModel(bytes));
    const simplified = simplify(imported);
    expect(imported.types.get(imported.inputs[0] ?? '')?.shape[0]).toBe(-1);
    const feeds = randomFeeds(imported, { batch: 3, seed: 7 });
    const [before, after] = [await runGraph(imported, feeds), await runGraph(simplified, feeds)];
    for (const index of [0, 2]) {
      const expected = await runBytes(bytes, sampleOf(feeds, index));
      expect([...before.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
      for (const [name, value] of expected) {
        const sample = (batch: Tensor | undefined): Tensor | undefined => batch && pick(batch, index);
        expect(relativeError(value, sample(before.get(name)))).toBeLessThan(1e-4);
        expect(relativeError(value, sample(after.get(name)))).toBeLessThan(1e-4);
      }
    }
  });

  it.each(files.filter((file) => file.includes('_bn') || file.includes('digits')))(
    '%s has no BatchNormalization left',
    (file) => {
      const graph = simplify(importModel(readModel(load(file))));
      expect(summarize(graph).operators).not.toHaveProperty('BatchNormalization');
    },
  );
});

function pick(batch: Tensor, index: number): Tensor {
  const size = batch.data.length / (batch.shape[0] ?? 1);
  return tensor(
    'float32',
    [1, ...batch.shape.slice(1)],
    (batch.data as Float32Array).slice(index * size, (index + 1) * size),
  );
}
