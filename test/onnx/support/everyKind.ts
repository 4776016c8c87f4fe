import type { ModelProto } from '../../../src/onnx/index.ts';
import { tensor } from '../../../src/tensor/index.ts';

/** A model with a value of every kind that is read and written. */
export const everyKind: ModelProto = {
  irVersion: 8,
  producerName: 'producer',
  producerVersion: '1.2',
  domain: 'example',
  modelVersion: 3,
  opsetImports: [
    { domain: '', version: 17 },
    { domain: 'com.microsoft', version: 1 },
  ],
  graph: {
    name: 'graph — ünïcode',
    nodes: [
      {
        name: 'conv',
        opType: 'Conv',
        domain: '',
        inputs: ['x', 'w', ''],
        outputs: ['c'],
        attributes: [
          { name: 'pads', kind: 'ints', value: [1, 1, 1, -1] },
          { name: 'auto_pad', kind: 'string', value: 'NOTSET' },
          { name: 'group', kind: 'int', value: -5 },
          { name: 'alpha', kind: 'float', value: 0.5 },
          { name: 'scales', kind: 'floats', value: [1, 2.5] },
          { name: 'labels', kind: 'strings', value: ['a', ''] },
          { name: 'empty', kind: 'ints', value: [] },
          { name: 'value', kind: 'tensor', value: tensor('int64', [2], BigInt64Array.of(-1n, 2n ** 40n)) },
        ],
      },
      { name: '', opType: 'QLinearAdd', domain: 'com.microsoft', inputs: ['c'], outputs: ['y'], attributes: [] },
    ],
    initializers: [{ name: 'w', tensor: tensor('float32', [2, 1], Float32Array.of(1, -2)) }],
    inputs: [{ name: 'x', type: { kind: 'tensor', elementType: 1, shape: ['N', 3, undefined] } }],
    outputs: [{ name: 'y', type: { kind: 'tensor', elementType: 2, shape: undefined } }],
  },
  metadata: new Map([
    ['octet.recipe', '{"a":1}'],
    ['empty', ''],
  ]),
};
