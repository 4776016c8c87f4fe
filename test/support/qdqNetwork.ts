import { seededRandom } from '../../src/base/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { float, modelOf, node } from './networks.ts';

const int8 = (shape: readonly number[], values: Iterable<number>): Tensor =>
  tensor('int8', shape, Int8Array.from(values));
const uint8 = (shape: readonly number[], values: Iterable<number>): Tensor =>
  tensor('uint8', shape, Uint8Array.from(values));
const int32 = (shape: readonly number[], values: Iterable<number>): Tensor =>
  tensor('int32', shape, Int32Array.from(values));

export interface QdqOptions {
  readonly channels?: number;
  readonly size?: number;
  readonly inputScale?: number;
}

/** A QDQ file as another tool writes it: [N, 3, size, size] -> Conv 3x3 -> GlobalAveragePool -> [N, channels, 1, 1]. */
export function qdqNetwork({ channels = 4, size = 8, inputScale = 0.01 }: QdqOptions = {}): Uint8Array {
  const random = seededRandom(11);
  const weights = Array.from({ length: channels * 27 }, () => Math.round((random() - 0.5) * 250));
  return writeModel(
    modelOf({
      nodes: [
        node('QuantizeLinear', ['image', 'sx', 'zx'], ['xq']),
        node('DequantizeLinear', ['xq', 'sx', 'zx'], ['x']),
        node('DequantizeLinear', ['wq', 'sw', 'zw'], ['w'], [{ name: 'axis', kind: 'int', value: 0 }]),
        node('DequantizeLinear', ['bq', 'sb', 'zb'], ['b'], [{ name: 'axis', kind: 'int', value: 0 }]),
        node('Conv', ['x', 'w', 'b'], ['conv'], [{ name: 'pads', kind: 'ints', value: [1, 1, 1, 1] }]),
        node('QuantizeLinear', ['conv', 'sc', 'zc'], ['cq']),
        node('DequantizeLinear', ['cq', 'sc', 'zc'], ['c']),
        node('GlobalAveragePool', ['c'], ['pool']),
        node('QuantizeLinear', ['pool', 'sc', 'zc'], ['pq']),
        node('DequantizeLinear', ['pq', 'sc', 'zc'], ['scores']),
      ],
      initializers: {
        sx: float([], [inputScale]),
        zx: uint8([], [128]),
        wq: int8([channels, 3, 3, 3], weights),
        sw: float([channels], new Array<number>(channels).fill(0.02)),
        zw: int8([channels], new Array<number>(channels).fill(0)),
        bq: int32(
          [channels],
          Array.from({ length: channels }, (_, i) => i * 100),
        ),
        sb: float(
          [channels],
          new Array<number>(channels).fill(Math.fround(Math.fround(inputScale) * Math.fround(0.02))),
        ),
        zb: int32([channels], new Array<number>(channels).fill(0)),
        sc: float([], [0.1]),
        zc: uint8([], [120]),
      },
      input: { name: 'image', shape: ['N', 3, size, size] },
      output: { name: 'scores', shape: ['N', channels, 1, 1] },
    }),
  );
}
