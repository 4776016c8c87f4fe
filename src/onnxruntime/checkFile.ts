import { AppError } from '../base/index.ts';
import { readModel, writeModel, type ModelProto, type ValueInfo } from '../onnx/index.ts';
import { elementCount } from '../tensor/index.ts';
import { defaultImportLimits } from '../transform/index.ts';
import { openOnnxFile, type OnnxFileValue, type OnnxruntimeOptions } from './onnxFile.ts';

/** Constants stay as they are: what computing them costs is bounded by our import alone, which such a file has not passed. */
export const asItIs: OnnxruntimeOptions = { foldConstants: 'no' };

/**
 * Whether onnxruntime takes a file that our import refuses, and what a sample costs is bounded: every value has a shape
 * that does not depend on data, of no more elements than an imported one may have.
 *
 * @throws AppError FLOAT_EXECUTOR_UNAVAILABLE without onnxruntime; MODEL_INVALID when it refuses the file or a value's
 *   shape is not known, MODEL_TOO_COMPLEX when one is too large
 */
export async function checkOnnxFile(bytes: Uint8Array): Promise<void> {
  const model = withAllValues(readModel(bytes));
  const session = await openOnnxFile(writeModel(model), asItIs);
  try {
    checkSizes(model, session.outputs);
  } finally {
    await session.close();
  }
}

/** The model for one sample, with everything that its nodes compute as outputs, whose shapes onnxruntime then tells. */
function withAllValues(model: ModelProto): ModelProto {
  const { graph } = model;
  const named = new Set(graph.outputs.map(({ name }) => name));
  const computed = graph.nodes.filter(({ opType }) => opType !== 'Constant').flatMap(({ outputs }) => outputs);
  const others = computed.filter((name) => name !== '' && !named.has(name));
  return {
    ...model,
    graph: {
      ...graph,
      inputs: graph.inputs.map(ofOneSample),
      outputs: [...named, ...others].map((name) => ({ name, type: { kind: 'none' } })),
    },
  };
}

function ofOneSample({ name, type }: ValueInfo): ValueInfo {
  if (type.kind !== 'tensor') return { name, type };
  const shape = type.shape?.map((size, axis) => (axis === 0 && typeof size !== 'number' ? 1 : size));
  return { name, type: { ...type, shape } };
}

function checkSizes({ graph }: ModelProto, values: readonly OnnxFileValue[]): void {
  const counts = new Map(graph.initializers.map(({ name, tensor }) => [name, tensor.data.length]));
  for (const { name, shape } of values) {
    // A value of unknown rank looks like a scalar.
    if (shape.length === 0 || shape.includes(-1))
      throw new AppError('MODEL_INVALID', `Value '${name}' has a shape that depends on data.`, { value: name });
    const count = elementCount(shape);
    counts.set(name, count);
    checkCount(name, count);
  }
  // onnxruntime sums the parts in 32 bits, which wrap around.
  for (const { inputs, outputs, opType } of graph.nodes)
    if (opType === 'Concat')
      checkCount(
        outputs[0] ?? '',
        inputs.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0),
      );
}

function checkCount(value: string, count: number): void {
  const { valueElements } = defaultImportLimits;
  if (count > valueElements)
    throw new AppError('MODEL_TOO_COMPLEX', `Value '${value}' has ${count} elements; allowed are ${valueElements}.`, {
      value,
      limit: valueElements,
    });
}
