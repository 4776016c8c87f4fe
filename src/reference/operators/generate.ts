import { numberAttribute, tensorAttribute } from '../../graph/index.ts';
import { elementCount, tensor } from '../../tensor/index.ts';
import { integersOf, requiredInput, type Kernel } from '../kernel.ts';
import { convert } from './cast.ts';
import { gatherElements } from './indices.ts';

export const shapeOf: Kernel = (node, inputs) => {
  const { shape } = requiredInput(node, inputs, 0);
  const chosen = shape.slice(numberAttribute(node, 'start', 0), numberAttribute(node, 'end', shape.length));
  return [tensor('int64', [chosen.length], BigInt64Array.from(chosen, BigInt))];
};

export const size: Kernel = (node, inputs) => [
  tensor('int64', [], BigInt64Array.of(BigInt(requiredInput(node, inputs, 0).data.length))),
];

export const constantOfShape: Kernel = (node, inputs) => {
  const shape = integersOf(requiredInput(node, inputs, 0));
  const value = tensorAttribute(node, 'value') ?? tensor('float32', [1]);
  return [gatherElements(value, shape, new Int32Array(elementCount(shape)))];
};

export const range: Kernel = (node, inputs) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((index) => integersOf(requiredInput(node, inputs, index))[0]);
  const { dtype } = requiredInput(node, inputs, 0);
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return [
    convert(
      tensor(
        'float64',
        [count],
        Float64Array.from({ length: count }, (_, i) => start + i * delta),
      ),
      dtype,
    ),
  ];
};
