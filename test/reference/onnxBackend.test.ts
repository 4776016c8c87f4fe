import { afterAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { findCases } from './onnxBackend/cases.ts';
import { notApplicable } from './onnxBackend/notApplicable.ts';
import { importCase, runCase } from './onnxBackend/runCase.ts';
import { expectTensorClose } from './oracle.ts';

const root = process.env['ONNX_TEST_DATA'];
if (!root)
  console.info('ONNX backend suite skipped: ONNX_TEST_DATA does not name the folder that holds onnx-node-tests.');

/** The suite's own: rtol 1e-3, atol 1e-7; float32 sums in another order need a little more near 0. */
const tolerance = { relative: 1e-3, absolute: 1e-6 };

describe.skipIf(!root)('ONNX backend suite', () => {
  const cases = root ? findCases(root) : [];
  const reasonOf = (name: string): string | undefined =>
    notApplicable.find(({ cases: names }) => names.test(name))?.reason;
  const applicable = cases.filter(({ name }) => !reasonOf(name));
  const refused = cases.filter(({ name }) => reasonOf(name));
  const routes = { graph: 0, nodes: 0 };

  it('is there', () => {
    expect(cases.length).toBeGreaterThan(500);
  });

  it.each(applicable)('$name', async (backendCase) => {
    const results = await runCase(backendCase);
    expect(results.length).toBeGreaterThan(0);
    for (const { actual, expected, route } of results) {
      expect(expected.length).toBeGreaterThan(0);
      for (const [index, output] of expected.entries()) expectTensorClose(actual[index], output, tolerance);
      routes[route]++;
    }
  });

  it.each(refused)('$name is not applicable, and refused', (backendCase) => {
    expect(() => importCase(backendCase)).toThrow(AppError);
  });

  afterAll(() => {
    const counts = `${cases.length} cases: ${routes.graph} passed as imported graphs, ${routes.nodes} node by node`;
    const reasons = notApplicable.map(({ cases: names, reason }) => {
      const count = refused.filter(({ name }) => names.test(name)).length;
      return `  ${count} not applicable: ${reason}`;
    });
    console.info([counts, ...reasons].join('\n'));
  });
});
