import { AppError, present } from '../base/index.ts';
import { formatShape, tensor, tensorOf, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { Dataset, InputSpec, Sample } from './dataset.ts';
import type { Preprocessing } from './preprocessing.ts';
import { preprocessImage } from './preprocessImage.ts';

/**
 * One sample as the network's inputs, batch 1. Images are preprocessed; tensors are the network's inputs already and only
 * change their element type.
 *
 * @throws AppError SAMPLE_MISMATCH, SAMPLE_NOT_FINITE, IMAGE_MALFORMED, IMAGE_TOO_LARGE, PREPROCESSING_INVALID
 */
export async function loadSample(
  dataset: Dataset,
  index: number,
  inputs: readonly InputSpec[],
  preprocessing: Preprocessing,
): Promise<TensorMap> {
  const sample = present(dataset.samples[index], `sample ${index}`);
  const content = await dataset.read(index);
  if (content.kind === 'tensors') return fitTensors(sample, content.tensors, inputs);
  const [input] = inputs;
  if (input === undefined || inputs.length !== 1)
    throw mismatch(`'${sample.name}' is one image, but the network has ${inputs.length} inputs; send npz.`);
  const { name } = sample;
  return new Map([[input.name, tensorOf(await preprocessImage(content.bytes, input, preprocessing, { name }))]]);
}

function fitTensors(sample: Sample, tensors: ReadonlyMap<string, Tensor>, inputs: readonly InputSpec[]): TensorMap {
  const feeds = new Map<string, Tensor>();
  for (const input of inputs) {
    const found = tensors.get(input.name) ?? (inputs.length === 1 && tensors.size === 1 ? only(tensors) : undefined);
    if (found === undefined)
      throw mismatch(
        `Sample '${sample.name}' has no array for input '${input.name}'; ` +
          `it has ${[...tensors.keys()].map((name) => `'${name}'`).join(', ')}.`,
      );
    feeds.set(input.name, fitTensor(sample, found, input));
  }
  return feeds;
}

function only(tensors: ReadonlyMap<string, Tensor>): Tensor | undefined {
  return tensors.values().next().value;
}

/** The sample's shape is the input's, with or without the leading 1. */
function fitTensor(sample: Sample, found: Tensor, input: InputSpec): Tensor {
  const wanted = input.shape;
  const fits = (shape: readonly number[]): boolean =>
    shape.length === found.shape.length && shape.every((dim, axis) => dim === found.shape[axis]);
  if (!fits(wanted) && !fits(wanted.slice(1)))
    throw mismatch(
      `Sample '${sample.name}' has shape ${formatShape(found.shape)}; input '${input.name}' takes ${formatShape(wanted.slice(1))}.`,
    );
  if (input.dtype === 'uint8') {
    if (found.dtype !== 'uint8' && found.dtype !== 'bool')
      throw mismatch(`Sample '${sample.name}' is ${found.dtype}; input '${input.name}' takes uint8.`);
    return tensor('uint8', wanted, found.data);
  }
  return tensor('float32', wanted, toFloat32(sample, found));
}

function toFloat32(sample: Sample, { data }: Tensor): Float32Array {
  const values = data instanceof Float32Array ? data : new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Math.fround(Number(data[i]));
    if (!Number.isFinite(value))
      throw new AppError('SAMPLE_NOT_FINITE', `Sample '${sample.name}' has the value ${value} at element ${i}.`);
    values[i] = value;
  }
  return values;
}

function mismatch(detail: string): AppError {
  return new AppError('SAMPLE_MISMATCH', detail);
}
