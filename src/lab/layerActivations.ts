import { AppError, present } from '../base/index.ts';
import type { FloatExecutor, Graph } from '../graph/index.ts';
import { elementCount, type Tensor, type TensorMap } from '../tensor/index.ts';
import { ActivationTally, type ActivationFigures } from './activationTally.ts';
import type { QdqStructure } from './qdqStructure.ts';

export interface CompareActivationsOptions {
  readonly float: Graph;
  readonly quantized: Graph;
  readonly executor: FloatExecutor;
  /** Single samples; as many are taken as `ELEMENT_BUDGET` allows. */
  readonly samples: AsyncIterable<{ readonly feeds: TensorMap }>;
  readonly signal?: AbortSignal | undefined;
}

/** Values compared over all samples, on both sides: what the analysis may cost. */
const ELEMENT_BUDGET = 24_000_000;
const MAX_SAMPLES = 8;

/** Runs samples through the float network and the QDQ network side by side; figures by value of the float graph. */
export async function compareActivations(
  values: readonly string[],
  structure: QdqStructure,
  { float, quantized, executor, samples, signal }: CompareActivationsOptions,
): Promise<ReadonlyMap<string, ActivationFigures>> {
  const shapeOf = (value: string): readonly number[] => float.types.get(value)?.shape ?? [];
  const pairs = values
    .filter((value) => float.types.get(value)?.dtype === 'float32')
    .map((value) => ({ value, simulated: structure.activations.get(value)?.dequantized ?? value }))
    .filter(({ simulated }) => quantized.types.has(simulated))
    .map((pair) => ({
      ...pair,
      tally: new ActivationTally(structure.activations.get(pair.value), shapeOf(pair.value)),
    }));
  const elements = pairs.reduce((sum, { value }) => sum + elementCount(shapeOf(value).map(Math.abs)), 0);
  const wanted = Math.max(1, Math.min(MAX_SAMPLES, Math.floor(ELEMENT_BUDGET / Math.max(1, elements))));
  const exactSession = await executor.load(
    float,
    pairs.map(({ value }) => value),
  );
  const simulatedSession = await executor.load(
    quantized,
    pairs.map(({ simulated }) => simulated),
  );
  try {
    let count = 0;
    for await (const { feeds } of samples) {
      if (signal?.aborted === true) throw new AppError('CANCELLED', 'The analysis of layers was cancelled.');
      const exact = await exactSession.run(feeds);
      const approximate = await simulatedSession.run(feeds);
      for (const { value, simulated, tally } of pairs)
        tally.add(floatsOf(exact, value), floatsOf(approximate, simulated));
      if (++count >= wanted) break;
    }
    return count === 0 ? new Map() : new Map(pairs.map(({ value, tally }) => [value, tally.figures()]));
  } finally {
    await exactSession.close();
    await simulatedSession.close();
  }
}

function floatsOf(values: TensorMap, name: string): Float32Array {
  const value: Tensor = present(values.get(name), `value '${name}'`);
  return value.dtype === 'float32' ? value.data : new Float32Array(0);
}
