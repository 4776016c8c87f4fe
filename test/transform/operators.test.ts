import { describe, expect, it } from 'vitest';
import { hasKernel, referenceExecutor } from '../../src/reference/index.ts';
import { readModel, writeModel, type ModelProto } from '../../src/onnx/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { exportModel, importModel, simplify } from '../../src/transform/index.ts';
import { modelOf } from './support/build.ts';
import { operatorCases } from './support/operatorCases.ts';
import { randomFeeds, relativeError, runBytes, runGraph, sampleOf } from './support/oracle.ts';

const onnxruntime = await loadOnnxruntime();
if (!onnxruntime) console.log('skipped: operators against onnxruntime (onnxruntime-node is not installed)');

/** Files whose batch is fixed are fed one sample at a time. */
const fixedBatch = (model: ModelProto): boolean =>
  model.graph.inputs.every(({ type }) => type.kind === 'tensor' && type.shape?.[0] === 1);

describe.skipIf(!onnxruntime)('an imported network computes what its file does', () => {
  it.each(Object.keys(operatorCases))('%s', async (name) => {
    const network = operatorCases[name]!;
    const model = modelOf(network);
    // onnxruntime needs topological order; the import does not.
    const bytes = writeModel(name === 'nodes out of order' ? reversed(model) : model);
    const graph = importModel(readModel(writeModel(model)));
    const feeds = randomFeeds(graph, { batch: fixedBatch(model) ? 1 : 3, seed: 11 });
    const expected = await runBytes(bytes, feeds, 'none');
    const again = importModel(readModel(writeModel(exportModel(graph))));
    const session = await referenceExecutor.load(graph, graph.outputs);
    const runs = {
      imported: await runGraph(graph, feeds, 'none'),
      simplified: await runGraph(simplify(graph), feeds, 'none'),
      'exported and imported again': await runGraph(again, feeds, 'none'),
      reference: await session.run(feeds),
    };
    for (const [form, outputs] of Object.entries(runs))
      for (const output of graph.outputs) {
        expect(outputs.get(output)?.shape, `${form}: ${output}`).toEqual(expected.get(output)?.shape);
        expect(relativeError(expected.get(output), outputs.get(output)), `${form}: ${output}`).toBeLessThan(2e-5);
      }
    for (const { opType, domain } of graph.nodes) expect(hasKernel(opType, domain), opType).toBe(true);
  });

  it('frees a batch that the file fixes at one', async () => {
    const model = modelOf(operatorCases['Reshape for a batch of one']!);
    const graph = importModel(model);
    const feeds = randomFeeds(graph, { batch: 3, seed: 5 });
    const outputs = await runGraph(graph, feeds);
    expect(outputs.get('y')?.shape).toEqual([3, 360]);
    const last = await runBytes(writeModel(model), sampleOf(feeds, 2));
    const tail = (outputs.get('y')?.data as Float32Array).slice(720);
    expect(tail).toEqual(last.get('y')?.data);
  });
});

function reversed(model: ModelProto): ModelProto {
  return { ...model, graph: { ...model.graph, nodes: model.graph.nodes.toReversed() } };
}
