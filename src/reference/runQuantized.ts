import { AppError, present } from '../base/index.ts';
import type { QuantizedGraph, QuantizedValue } from '../graph/index.ts';
import { elementCount, formatShape, shapesEqual, tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import { runOperation } from './runOperation.ts';

export interface RunQuantizedOptions {
  /** Sees every value of every sample as it is made; quantized ones as uint8. */
  readonly observe?: (name: string, value: Tensor) => void;
}

/**
 * Executes a quantized graph with the plain kernels: the specification of the engine. Any batch, one sample after the
 * other.
 *
 * @throws INFERENCE_INVALID where a feed is missing or does not fit
 */
export function runQuantized(graph: QuantizedGraph, feeds: TensorMap, options: RunQuantizedOptions = {}): TensorMap {
  const samples = Array.from({ length: checkFeeds(graph, feeds) }, (_, index) =>
    runSample(graph, sampleFeeds(graph, feeds, index), options),
  );
  return new Map(
    graph.outputs.map((name) => [name, joinBatch(samples.map((sample) => present(sample.get(name), name)))]),
  );
}

/**
 * How many times the graph runs: the feeds' batch over the batch that the graph is made for, which is 1 but for a file
 * that fixes another.
 *
 * @throws INFERENCE_INVALID where a feed is missing or does not fit
 */
export function checkFeeds(graph: QuantizedGraph, feeds: TensorMap): number {
  const runs = graph.inputs.map((name) => {
    const value = present(graph.values.get(name), `input '${name}'`);
    const dtype = value.kind === 'quantized' ? value.storedAs : value.dtype;
    const feed = feeds.get(name);
    const [batch = 1, ...rest] = feed?.shape ?? [];
    const [unit = 1, ...expected] = value.shape;
    const fits = feed?.dtype === dtype && shapesEqual(rest, expected) && batch > 0 && batch % unit === 0;
    if (fits) return batch / unit;
    const given = feed ? `${feed.dtype} ${formatShape(feed.shape)}` : 'missing';
    const first = unit === 1 ? 'N' : `a multiple of ${unit}`;
    throw new AppError(
      'INFERENCE_INVALID',
      `Input '${name}' is ${given}; it must be ${dtype} [${[first, ...expected].join(', ')}].`,
      { input: name },
    );
  });
  const [count = 1] = runs;
  if (runs.every((each) => each === count)) return count;
  throw new AppError('INFERENCE_INVALID', `Inputs have batches of ${runs.join(', ')}; all must be equal.`, {});
}

function sampleFeeds(graph: QuantizedGraph, feeds: TensorMap, index: number): Map<string, Tensor> {
  return new Map(
    graph.inputs.map((name) => {
      const value = present(graph.values.get(name), `input '${name}'`);
      const feed = present(feeds.get(name), `feed '${name}'`);
      const count = elementCount(value.shape);
      const part = feed.data.subarray(index * count, (index + 1) * count);
      if (value.kind !== 'quantized') return [name, { dtype: feed.dtype, shape: value.shape, data: part } as Tensor];
      return [
        name,
        tensor(
          'uint8',
          value.shape,
          Uint8Array.from(part as Uint8Array, (q) => q + shiftOf(value)),
        ),
      ];
    }),
  );
}

function runSample(
  graph: QuantizedGraph,
  feeds: Map<string, Tensor>,
  options: RunQuantizedOptions,
): Map<string, Tensor> {
  const values = new Map(feeds);
  const lastUse = new Map<string, number>();
  graph.operations.forEach((operation, at) => inputsOf(operation).forEach((name) => lastUse.set(name, at)));
  const kept = new Set(graph.outputs);
  const read = (name: string): Tensor =>
    present(values.get(name) ?? graph.constants.get(name), `value '${name}' of '${graph.name}'`);
  for (const [at, operation] of graph.operations.entries()) {
    for (const [name, value] of runOperation(graph, operation, read)) {
      values.set(name, value);
      options.observe?.(name, value);
    }
    for (const name of inputsOf(operation)) if (lastUse.get(name) === at && !kept.has(name)) values.delete(name);
  }
  return new Map(graph.outputs.map((name) => [name, asStored(graph, name, read(name))]));
}

/** Names of the values that an operation reads. */
export function inputsOf(operation: QuantizedGraph['operations'][number]): readonly string[] {
  if (operation.kind === 'float') return operation.node.inputs.filter((name) => name !== '');
  if ('inputs' in operation) return operation.inputs;
  if (operation.kind === 'layout')
    return [operation.input, ...operation.node.inputs.slice(1)].filter((name) => name !== '');
  return [operation.input];
}

const shiftOf = (value: QuantizedValue): number => (value.storedAs === 'int8' ? 128 : 0);

/** A returned value as the file stores it: int8 is shifted back. */
function asStored(graph: QuantizedGraph, name: string, value: Tensor): Tensor {
  const type = graph.values.get(name);
  if (type?.kind !== 'quantized' || type.storedAs === 'uint8') return value;
  return tensor(
    'int8',
    type.shape,
    Int8Array.from(value.data as Uint8Array, (q) => q - 128),
  );
}

function joinBatch(parts: readonly Tensor[]): Tensor {
  const first = present(parts[0], 'first sample');
  if (parts.length === 1) return first;
  const Elements = first.data.constructor as new (count: number) => typeof first.data;
  const data = new Elements(first.data.length * parts.length);
  parts.forEach((part, index) => data.set(part.data as never, index * first.data.length));
  return { dtype: first.dtype, shape: [parts.length * (first.shape[0] ?? 1), ...first.shape.slice(1)], data } as Tensor;
}
