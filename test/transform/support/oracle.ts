import { gaussian, seededRandom } from '../../../src/base/index.ts';
import { BATCH, type Graph } from '../../../src/graph/index.ts';
import { writeModel } from '../../../src/onnx/index.ts';
import { openOnnxFile, type OptimizationLevel } from '../../../src/onnxruntime/index.ts';
import { elementCount, tensor, type Tensor, type TensorMap } from '../../../src/tensor/index.ts';
import { exportModel } from '../../../src/transform/index.ts';

/** Runs ONNX bytes in onnxruntime. */
export async function runBytes(
  bytes: Uint8Array,
  feeds: TensorMap,
  optimization: OptimizationLevel = 'all',
): Promise<TensorMap> {
  const session = await openOnnxFile(bytes, { threads: 1, optimization });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

/** Exports a graph and runs it in onnxruntime. */
export function runGraph(graph: Graph, feeds: TensorMap, optimization?: OptimizationLevel): Promise<TensorMap> {
  return runBytes(writeModel(exportModel(graph)), feeds, optimization);
}

/** Normal deviates for every input; a free batch is `batch`. */
export function randomFeeds(graph: Graph, options: { batch: number; seed: number }): Map<string, Tensor> {
  const random = seededRandom(options.seed);
  return new Map(
    graph.inputs.map((name): [string, Tensor] => {
      const shape = (graph.types.get(name)?.shape ?? []).map((size) => (size === BATCH ? options.batch : size));
      return [
        name,
        tensor(
          'float32',
          shape,
          Float32Array.from({ length: elementCount(shape) }, () => gaussian(random)),
        ),
      ];
    }),
  );
}

/** One sample of a batch, for files that take one at a time. */
export function sampleOf(feeds: TensorMap, index: number): Map<string, Tensor> {
  return new Map(
    [...feeds].map(([name, { shape, data }]): [string, Tensor] => {
      const size = data.length / (shape[0] ?? 1);
      const part = (data as Float32Array).slice(index * size, (index + 1) * size);
      return [name, tensor('float32', [1, ...shape.slice(1)], part)];
    }),
  );
}

/** Largest difference of two values, relative to the largest element of the first. */
export function relativeError(expected: Tensor | undefined, actual: Tensor | undefined): number {
  if (!expected || expected.data.length !== actual?.data.length) return Infinity;
  const largest = Math.max(...Array.from<number | bigint, number>(expected.data, (x) => Math.abs(Number(x))), 1e-30);
  let worst = 0;
  for (let index = 0; index < expected.data.length; index++)
    worst = Math.max(worst, Math.abs(Number(expected.data[index]) - Number(actual.data[index])));
  return Number.isNaN(worst) ? Infinity : worst / largest;
}
