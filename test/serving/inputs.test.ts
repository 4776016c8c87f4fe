import { describe, expect, it } from 'vitest';
import { checkFeeds, imageInput } from '../../src/serving/inputs.ts';
import type { TensorInfo } from '../../src/store/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { summary } from '../support/records.ts';

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
