import { describe, expect, it } from 'vitest';
import { affineTable, preprocessingSchema } from '../../src/data/index.ts';
import { checkFeeds, imageFeeds, imageInput } from '../../src/serving/inputs.ts';
import { transferables } from '../../src/serving/threads/protocol.ts';
import type { TensorInfo } from '../../src/store/index.ts';
import { tensor, tensorsOf, type Tensor } from '../../src/tensor/index.ts';
import { colorImage } from '../support/images.ts';
import { summary, versionRecord } from '../support/records.ts';

const inputs: TensorInfo[] = [
  { name: 'a', dtype: 'float32', shape: [-1, 2] },
  { name: 'b', dtype: 'uint8', shape: [-1, 3] },
];
const feeds = (a: Tensor, b: Tensor) =>
  new Map([
    ['a', a],
    ['b', b],
  ]);
const refused = (message: string): unknown => expect.objectContaining({ code: 'INFERENCE_INVALID', message });

describe('checkFeeds', () => {
  it('returns the batch', () => {
    expect(checkFeeds(feeds(tensor('float32', [5, 2]), tensor('uint8', [5, 3])), inputs)).toBe(5);
  });

  it('names the input, what was sent and what is allowed', () => {
    const good = tensor('uint8', [5, 3]);
    expect(() => checkFeeds(new Map([['a', tensor('float32', [5, 2])]]), inputs)).toThrow(
      refused("Input 'b' is missing."),
    );
    expect(() => checkFeeds(feeds(tensor('int32', [5, 2]), good), inputs)).toThrow(
      refused("Input 'a' is int32; the model takes float32."),
    );
    expect(() => checkFeeds(feeds(tensor('float32', [5, 3]), good), inputs)).toThrow(
      refused("Input 'a' has shape [5, 3]; the model takes [-1, 2], -1 being any batch of at least 1."),
    );
    expect(() => checkFeeds(feeds(tensor('float32', [0, 2]), good), inputs)).toThrow(/\[0, 2\]/);
    expect(() => checkFeeds(feeds(tensor('float32', [4, 2]), good), inputs)).toThrow(
      refused("Input 'b' has a batch of 5, but 'a' has 4."),
    );
    expect(() => checkFeeds(new Map([...feeds(tensor('float32', [5, 2]), good), ['c', good]]), inputs)).toThrow(
      refused("Input 'c' is unknown; the model takes 'a', 'b'."),
    );
  });
});

describe('imageInput', () => {
  const withInput = (shape: number[], dtype = 'float32') => ({ ...summary, inputs: [{ name: 'x', dtype, shape }] });

  it('finds the layout', () => {
    expect(imageInput(withInput([-1, 3, 8, 9]))).toEqual({
      name: 'x',
      dtype: 'float32',
      shape: [1, 3, 8, 9],
      layout: 'NCHW',
    });
    expect(imageInput(withInput([1, 8, 9, 1], 'uint8'))).toEqual({
      name: 'x',
      dtype: 'uint8',
      shape: [1, 8, 9, 1],
      layout: 'NHWC',
    });
  });

  it.each([[[-1, 10]], [[-1, 7, 8, 9]], [[2, 3, 8, 8]]])('refuses %j', (shape) => {
    expect(() => imageInput(withInput(shape))).toThrow(expect.objectContaining({ code: 'INFERENCE_INVALID' }));
  });
});

describe('imageFeeds', () => {
  const preprocessing = preprocessingSchema.parse({ color: 'bgr', mean: [0.1, 0.2, 0.3], std: 0.5 });

  it("are the image's bytes and the version's own levels, not a tensor", async () => {
    const feeds = await imageFeeds(await colorImage('red', 1), versionRecord({ preprocessing }));
    const fed = feeds.get('image');
    expect(fed).toMatchObject({ dtype: 'pixels', shape: [1, 3, 8, 8], levels: affineTable(preprocessing, 3) });
    expect(fed?.data).toHaveLength(192);
    expect(checkFeeds(feeds, summary.inputs)).toBe(1);
    expect(checkFeeds(tensorsOf(feeds), summary.inputs)).toBe(1);
  });

  it('are refused where the network takes another type', async () => {
    const feeds = await imageFeeds(await colorImage('red', 1), versionRecord());
    expect(() => checkFeeds(feeds, [{ name: 'image', dtype: 'uint8', shape: [-1, 3, 8, 8] }])).toThrow(
      refused("Input 'image' is float32; the model takes uint8."),
    );
  });

  it('move to a thread without a copy', async () => {
    const feeds = await imageFeeds(await colorImage('blue', 2), versionRecord());
    const expected = tensorsOf(feeds);
    const moved = structuredClone(feeds, { transfer: transferables(feeds) });
    expect(feeds.get('image')?.data).toHaveLength(0);
    expect(tensorsOf(moved)).toEqual(expected);
  });
});
