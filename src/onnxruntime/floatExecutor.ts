import { invariant, present } from '../base/index.ts';
import { BATCH, type FloatExecutor, type FloatSession, type Graph } from '../graph/index.ts';
import { writeModel } from '../onnx/index.ts';
import { elementCount, tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import { exportModel } from '../transform/index.ts';
import { openOnnxFile, type OnnxFileSession, type OnnxruntimeOptions } from './onnxFile.ts';
import { loadRuntime } from './runtime.ts';

/** The float executor on onnxruntime, or undefined where it is not installed. */
export async function loadOnnxruntime(options: OnnxruntimeOptions = {}): Promise<FloatExecutor | undefined> {
  if ((await loadRuntime()) === undefined) return undefined;
  return { name: 'onnxruntime', load: (graph, outputs) => loadGraph(graph, outputs, options) };
}

async function loadGraph(graph: Graph, outputs: readonly string[], options: OnnxruntimeOptions): Promise<FloatSession> {
  // Inputs and constants may be asked for too; onnxruntime returns only what a node computes.
  const computed = new Set(graph.nodes.flatMap((node) => node.outputs));
  const fetched = [...new Set(outputs)].filter((name) => computed.has(name));
  if (fetched.length === 0)
    return { run: async (feeds) => pick(outputs, [feeds, graph.constants]), close: async () => undefined };
  const bytes = writeModel(exportModel({ ...graph, outputs: fetched }));
  const session = await openOnnxFile(bytes, options);
  const fixed = graph.inputs.filter((name) => present(graph.types.get(name), `type of '${name}'`).shape[0] !== BATCH);
  return {
    run: async (feeds) => {
      const results = fixed.length === 0 ? await session.run(feeds) : await runEach(session, feeds, fixed);
      return pick(outputs, [results, feeds, graph.constants]);
    },
    close: () => session.close(),
  };
}

function pick(names: readonly string[], places: readonly TensorMap[]): TensorMap {
  return new Map(
    names.map((name) => [name, present(places.find((place) => place.has(name))?.get(name), `value '${name}'`)]),
  );
}

/** Runs a network whose batch is fixed to 1 on each sample of a larger batch, and stacks the results. */
async function runEach(session: OnnxFileSession, feeds: TensorMap, fixed: readonly string[]): Promise<TensorMap> {
  const count = Math.max(...fixed.map((name) => feeds.get(name)?.shape[0] ?? 1));
  if (count === 1) return session.run(feeds);
  const runs: TensorMap[] = [];
  for (let index = 0; index < count; index++)
    runs.push(await session.run(new Map([...feeds].map(([name, value]) => [name, rowOf(value, index)]))));
  const [first] = runs;
  invariant(first, 'a batch has samples');
  return new Map(
    [...first.keys()].map((name) => [name, stack(runs.map((run) => present(run.get(name), `output '${name}'`)))]),
  );
}

function rowOf({ dtype, shape, data }: Tensor, index: number): Tensor {
  const row = [1, ...shape.slice(1)];
  const count = elementCount(row);
  return { dtype, shape: row, data: data.slice(index * count, (index + 1) * count) } as Tensor;
}

function stack(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  invariant(first, 'a batch has samples');
  const [rows = 1, ...rest] = first.shape;
  const whole = tensor(first.dtype, [rows * parts.length, ...rest]);
  for (const [i, part] of parts.entries())
    (whole.data as Float32Array).set(part.data as Float32Array, i * first.data.length);
  return whole as Tensor;
}
