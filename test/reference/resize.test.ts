import { describe, it } from 'vitest';
import { expectAsOracle, floats, int64s, Tensors, type OperatorCase } from './oracle.ts';

const tensors = new Tensors(4);
const mappings = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric'];
const roundings = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'];

/** Enlarging, shrinking, odd ratios, one pixel. */
const sizes: readonly (readonly [number, number])[] = [
  [8, 10],
  [3, 4],
  [7, 5],
  [1, 1],
];

function resize(
  mode: string,
  mapping: string,
  operands: OperatorCase['inputs'],
  rest: OperatorCase['attributes'] = {},
): OperatorCase {
  const attributes = { mode, coordinate_transformation_mode: mapping, ...rest };
  return { opType: 'Resize', attributes, inputs: [tensors.float([1, 2, 4, 5]), undefined, ...operands], opset: 19 };
}

/**
 * Scales whose output size is rounded, but for align_corners: there onnxruntime divides by the rounded size, and the
 * ONNX backend suite, which we follow, by the exact one.
 */
function fractional(mapping: string): ReturnType<typeof floats> {
  if (mapping === 'align_corners') return floats(1, 1, 1.75, 0.6);
  return mapping === 'half_pixel_symmetric' ? floats(1, 1, 1.7, 0.7) : floats(1, 1, 1.7, 0.6);
}

describe('Resize as onnxruntime computes it', () => {
  describe.each(mappings)('%s', (mapping) => {
    it.each(roundings)('nearest, %s', async (nearest_mode) => {
      for (const [h, w] of sizes) {
        await expectAsOracle(resize('nearest', mapping, [undefined, int64s(1, 2, h, w)], { nearest_mode }));
      }
      await expectAsOracle(resize('nearest', mapping, [fractional(mapping)], { nearest_mode }));
    });

    it('linear', async () => {
      for (const [h, w] of sizes) await expectAsOracle(resize('linear', mapping, [undefined, int64s(1, 2, h, w)]));
      await expectAsOracle(resize('linear', mapping, [floats(1, 1, 2, 2)]));
      await expectAsOracle(resize('linear', mapping, [fractional(mapping)]));
    });

    it('cubic', async () => {
      for (const [h, w] of sizes.slice(0, 3))
        await expectAsOracle(resize('cubic', mapping, [undefined, int64s(1, 2, h, w)]));
      await expectAsOracle(
        resize('cubic', mapping, [fractional(mapping)], { cubic_coeff_a: -0.5, exclude_outside: 1 }),
      );
    });
  });

  it('nearest of bytes', async () => {
    const inputs = [tensors.uint8([1, 3, 4, 4]), undefined, floats(1, 1, 2, 2)];
    await expectAsOracle({
      opType: 'Resize',
      attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric' },
      inputs,
    });
  });
});
