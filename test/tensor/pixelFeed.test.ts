import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementTypeOf, pixelFeed, tensorOf, tensorsOf, tensor } from '../../src/tensor/index.ts';

const levels = Float32Array.from({ length: 2 * 256 }, (_, i) => (i < 256 ? i / 2 : -i));
const data = Uint8Array.of(1, 2, 3, 4, 5, 6);

describe('a pixel feed', () => {
  it('stands for planes of the levels of its bytes', () => {
    const feed = pixelFeed({ shape: [1, 2, 1, 3], layout: 'NCHW', data, levels });
    expect(elementTypeOf(feed)).toBe('float32');
    expect(tensorOf(feed)).toEqual({
      ...{ dtype: 'float32', shape: [1, 2, 1, 3] },
      data: Float32Array.of(0.5, 1.5, 2.5, -258, -260, -262),
    });
  });

  it('stands for pixels where the tensor has them', () => {
    const feed = pixelFeed({ shape: [1, 3, 1, 2], layout: 'NHWC', data, levels });
    expect(tensorOf(feed).data).toEqual(Float32Array.of(0.5, -258, 1.5, -260, 2.5, -262));
  });

  it('stands for its bytes where it has no levels', () => {
    const feed = pixelFeed({ shape: [1, 3, 2, 1], layout: 'NCHW', data, levels: undefined });
    expect(elementTypeOf(feed)).toBe('uint8');
    expect(tensorOf(feed)).toEqual({ dtype: 'uint8', shape: [1, 3, 2, 1], data: Uint8Array.of(1, 4, 2, 5, 3, 6) });
  });

  it('has a byte for each element and 256 levels for each channel', () => {
    const valid = { shape: [1, 2, 1, 3], layout: 'NCHW', data, levels } as const;
    expect(() => pixelFeed({ ...valid, shape: [2, 1, 1, 3] })).toThrow('are no image');
    expect(() => pixelFeed({ ...valid, data: data.subarray(1) })).toThrow('are no image');
    expect(() => pixelFeed({ ...valid, levels: levels.subarray(1) })).toThrow('256 levels');
  });

  it('has the element (c, h, w) in either layout, whatever the size', () => {
    const upTo = (max: number) => fc.integer({ min: 1, max });
    fc.assert(
      fc.property(upTo(3), upTo(5), upTo(5), upTo(255), (channels, height, width, step) => {
        const bytes = Uint8Array.from({ length: channels * height * width }, (_, i) => i * step);
        const table = Float32Array.from({ length: channels * 256 }, (_, i) => i);
        const nchw = { shape: [1, channels, height, width], layout: 'NCHW', data: bytes, levels: table } as const;
        const nhwc = { ...nchw, shape: [1, height, width, channels], layout: 'NHWC' } as const;
        const [planes, pixels] = [tensorOf(pixelFeed(nchw)).data, tensorOf(pixelFeed(nhwc)).data];
        for (let at = 0; at < bytes.length; at++) {
          const [pixel, channel] = [Math.floor(at / channels), at % channels];
          expect(pixels[at]).toBe(channel * 256 + bytes[at]!);
          expect(planes[channel * height * width + pixel]).toBe(pixels[at]);
        }
      }),
    );
  });
});

it('leaves tensors as they are', () => {
  const x = tensor('float32', [2]);
  expect(tensorsOf(new Map([['x', x]])).get('x')).toBe(x);
});
