import { AppError } from '../base/index.ts';
import { inputSpecOf, preprocessImage, type InputSpec } from '../data/index.ts';
import type { ModelSummary, TensorInfo, VersionRecord } from '../store/index.ts';
import { elementTypeOf, formatShape, type Feed, type FeedMap } from '../tensor/index.ts';

const BATCH = -1;
const imageChannels: readonly number[] = [1, 3];

/**
 * The network's only input, as an image of one sample.
 *
 * @throws AppError INFERENCE_INVALID when the network does not take one image
 */
export function imageInput(summary: ModelSummary): InputSpec {
  const [input] = summary.inputs;
  if (input === undefined || summary.inputs.length !== 1) throw notAnImage(`${summary.inputs.length} inputs`);
  const spec = inputSpecOf(input);
  const channels = spec.shape[spec.layout === 'NCHW' ? 1 : 3] ?? 0;
  if (spec.shape.length !== 4 || spec.shape[0] !== 1 || !imageChannels.includes(channels))
    throw notAnImage(`input '${input.name}' of shape ${formatShape(input.shape)}`);
  return spec;
}

/**
 * An image as the version's only input, by the version's own preprocessing.
 *
 * @throws AppError as `imageInput` and `preprocessImage`
 */
export async function imageFeeds(image: Uint8Array, version: VersionRecord): Promise<FeedMap> {
  const input = imageInput(version.summary);
  return new Map([[input.name, await preprocessImage(image, input, version.preprocessing)]]);
}

function notAnImage(found: string): AppError {
  return new AppError(
    'INFERENCE_INVALID',
    `The network has ${found}; an image needs one float32 or uint8 input [batch, 1 | 3, height, width] ` +
      `or [batch, height, width, 1 | 3]. Send tensors to /v2 instead.`,
  );
}

/**
 * Checks feeds against the network's inputs: every name once, the dtype, and every dimension but the free batch, which
 * all inputs share.
 *
 * @returns samples in the batch
 * @throws AppError INFERENCE_INVALID that names the input, what was sent and what is allowed
 */
export function checkFeeds(feeds: FeedMap, inputs: readonly TensorInfo[]): number {
  for (const name of feeds.keys()) {
    if (!inputs.some((input) => input.name === name))
      throw invalid(
        `Input '${name}' is unknown; the model takes ${inputs.map((input) => `'${input.name}'`).join(', ')}.`,
      );
  }
  let batch = 1;
  let batchFrom: string | undefined;
  for (const input of inputs) {
    const fed = feeds.get(input.name);
    if (fed === undefined) throw invalid(`Input '${input.name}' is missing.`);
    checkFeed(fed, input);
    if (input.shape[0] !== BATCH) continue;
    const size = fed.shape[0] ?? 1;
    if (batchFrom !== undefined && size !== batch)
      throw invalid(`Input '${input.name}' has a batch of ${size}, but '${batchFrom}' has ${batch}.`);
    batch = size;
    batchFrom = input.name;
  }
  return batch;
}

function checkFeed(fed: Feed, input: TensorInfo): void {
  const dtype = elementTypeOf(fed);
  if (dtype !== input.dtype) throw invalid(`Input '${input.name}' is ${dtype}; the model takes ${input.dtype}.`);
  const fits =
    fed.shape.length === input.shape.length &&
    input.shape.every((dim, axis) => (dim === BATCH ? (fed.shape[axis] ?? 0) >= 1 : dim === fed.shape[axis]));
  if (!fits)
    throw invalid(
      `Input '${input.name}' has shape ${formatShape(fed.shape)}; the model takes ${formatShape(input.shape)}` +
        `${input.shape[0] === BATCH ? ', -1 being any batch of at least 1' : ''}.`,
    );
}

function invalid(detail: string): AppError {
  return new AppError('INFERENCE_INVALID', detail);
}
