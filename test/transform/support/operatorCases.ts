import { tensor } from '../../../src/tensor/index.ts';
import { f, float, floats, fs, int, ints, normal, op, positive, type Network } from './build.ts';

/** Small networks, by what they show. Each runs in onnxruntime as built here, and again after import and export. */
export const operatorCases: Readonly<Record<string, Network>> = {};

type Short = Omit<Network, 'inputs' | 'outputs'> & Partial<Pick<Network, 'inputs' | 'outputs'>>;
const image = { x: ['N', 4, 9, 10] };
const add = (name: string, network: Short): void => {
  (operatorCases as Record<string, Network>)[name] = { inputs: image, outputs: ['y'], ...network };
};

const w = normal([6, 4, 3, 3]);
for (const auto of ['SAME_UPPER', 'SAME_LOWER', 'VALID'])
  for (const stride of [1, 2, 3]) {
    add(`Conv ${auto} stride ${stride}`, {
      nodes: [op('Conv', 'x w', 'y', { auto_pad: auto, strides: [stride, stride] })],
      initializers: { w },
    });
    add(`MaxPool ${auto} stride ${stride}`, {
      nodes: [op('MaxPool', 'x', 'y', { auto_pad: auto, strides: [stride, stride], kernel_shape: [3, 2] })],
    });
    add(`AveragePool ${auto} stride ${stride}`, {
      nodes: [op('AveragePool', 'x', 'y', { auto_pad: auto, strides: [stride, stride], kernel_shape: [3, 3] })],
    });
  }
add('Conv grouped, dilated, asymmetric pads, bias', {
  nodes: [op('Conv', 'x w b', 'y', { group: 2, dilations: [2, 1], pads: [0, 1, 3, 2] })],
  initializers: { w: normal([6, 2, 3, 3]), b: normal([6]) },
});
add('Conv depthwise', {
  nodes: [op('Conv', 'x w', 'y', { group: 4, pads: [1, 1, 1, 1], kernel_shape: [3, 3] })],
  initializers: { w: normal([8, 1, 3, 3]) },
});
for (const [name, attributes] of Object.entries({
  plain: {},
  strided: { strides: [2, 3], pads: [1, 0, 0, 1], output_padding: [1, 2] },
  grouped: { group: 2, strides: [2, 2] },
  dilated: { dilations: [2, 1] },
  output_shape: { strides: [2, 2], output_shape: [20, 21] },
  'output_shape upper': { strides: [2, 2], output_shape: [18, 20], auto_pad: 'SAME_UPPER' },
  'same upper': { strides: [2, 2], auto_pad: 'SAME_UPPER' },
  'same lower': { strides: [2, 2], auto_pad: 'SAME_LOWER' },
}))
  add(`ConvTranspose ${name}`, {
    nodes: [op('ConvTranspose', 'x w b', 'y', attributes)],
    initializers: { w: normal([4, 3, 3, 3]), b: normal([name === 'grouped' ? 6 : 3]) },
  });
for (const ceil of [0, 1])
  for (const pads of [
    [0, 0, 0, 0],
    [1, 1, 1, 1],
    [0, 1, 1, 0],
  ]) {
    add(`MaxPool ceil ${ceil} pads ${pads.join('')}`, {
      nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: ceil, pads })],
    });
    for (const count of [0, 1])
      add(`AveragePool ceil ${ceil} pads ${pads.join('')} counting ${count}`, {
        opset: 19,
        nodes: [
          op('AveragePool', 'x', 'y', {
            kernel_shape: [3, 3],
            strides: [2, 2],
            ceil_mode: ceil,
            pads,
            count_include_pad: count,
          }),
        ],
      });
  }
add('MaxPool dilated', { nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [2, 3], dilations: [3, 2] })] });
add('MaxPool with an output nobody reads', { nodes: [op('MaxPool', 'x', 'y indices', { kernel_shape: [2, 2] })] });
add('global pools', {
  outputs: ['a', 'm'],
  nodes: [op('GlobalAveragePool', 'x', 'a'), op('GlobalMaxPool', 'x', 'm')],
});
add('BatchNormalization opset 7', {
  opset: 7,
  nodes: [op('BatchNormalization', 'x s b m v', 'y', { epsilon: f(0.01) })],
  initializers: { s: normal([4], 1), b: normal([4], 2), m: normal([4], 3), v: positive([4], 4) },
});
add('LRN', { nodes: [op('LRN', 'x', 'y', { size: 3, alpha: f(0.3), beta: f(0.6), bias: f(1.5) })] });
for (const opset of [7, 10])
  add(`Clip opset ${opset} attributes`, { opset, nodes: [op('Clip', 'x', 'y', { min: f(-0.5), max: f(0.7) })] });
add('Clip opset 9 without maximum', { opset: 9, nodes: [op('Clip', 'x', 'y', { min: f(0) })] });
add('Clip inputs', { nodes: [op('Clip', 'x _ hi', 'y')], initializers: { hi: float(0.3) } });
add('Clip bounds from Constant nodes', {
  nodes: [
    op('Constant', '', 'lo', { value: float(0) }),
    op('Constant', '', 'hi', { value_float: f(6) }),
    op('Clip', 'x lo hi', 'y'),
  ],
});
add('activations', {
  opset: 18,
  outputs: ['a', 'b', 'c', 'd', 'e', 'g', 'h', 'i', 'j'],
  nodes: [
    op('LeakyRelu', 'x', 'a', { alpha: f(0.2) }),
    op('Sigmoid', 'x', 'b'),
    op('HardSigmoid', 'x', 'c', { alpha: f(0.25) }),
    op('HardSwish', 'x', 'd'),
    op('Tanh', 'x', 'e'),
    op('Elu', 'x', 'g', { alpha: f(0.7) }),
    op('PRelu', 'x slope', 'h'),
    op('Softplus', 'x', 'i'),
    op('Mul', 'x b', 'j'),
  ],
  initializers: { slope: normal([4, 1, 1]) },
});
for (const axis of [1, 2, 3, -1])
  for (const opset of [11, 13])
    add(`Softmax opset ${opset} axis ${axis}`, { opset, nodes: [op('Softmax', 'x', 'y', { axis })] });
add('Softmax opset 11 default', { opset: 11, nodes: [op('Softmax', 'x', 'y')] });
add('LogSoftmax opset 9', { opset: 9, nodes: [op('LogSoftmax', 'x', 'y', { axis: 1 })] });
for (const opset of [11, 13])
  add(`Squeeze and Unsqueeze opset ${opset}`, {
    opset,
    nodes:
      opset < 13
        ? [
            op('GlobalAveragePool', 'x', 'p'),
            op('Squeeze', 'p', 's', { axes: [2, 3] }),
            op('Unsqueeze', 's', 'y', { axes: [1, -1] }),
          ]
        : [op('GlobalAveragePool', 'x', 'p'), op('Squeeze', 'p a', 's'), op('Unsqueeze', 's b', 'y')],
    initializers: opset < 13 ? {} : { a: ints(2, 3), b: ints(1, -1) },
  });
add('Squeeze without axes', { nodes: [op('GlobalAveragePool', 'x', 'p'), op('Squeeze', 'p', 'y')] });
for (const opset of [11, 13, 18])
  for (const keepdims of [0, 1])
    add(`ReduceMean opset ${opset} keepdims ${keepdims}`, {
      opset,
      nodes: [
        opset < 18
          ? op('ReduceMean', 'x', 'y', { axes: [-1, 2], keepdims })
          : op('ReduceMean', 'x a', 'y', { keepdims }),
      ],
      initializers: opset < 18 ? {} : { a: ints(2, 3) },
    });
add('ReduceSum opset 13, no-op', {
  nodes: [op('ReduceSum', 'x', 'z', { noop_with_empty_axes: 1 }), op('Relu', 'z', 'y')],
});
add('Upsample opset 7', { opset: 7, nodes: [op('Upsample', 'x', 'y', { mode: 'nearest', scales: fs(1, 1, 2, 3) })] });
add('Upsample opset 9 linear', {
  opset: 9,
  nodes: [op('Upsample', 'x s', 'y', { mode: 'linear' })],
  initializers: { s: floats(1, 1, 2, 2) },
});
add('Resize opset 10', {
  opset: 10,
  nodes: [op('Resize', 'x s', 'y', { mode: 'linear' })],
  initializers: { s: floats(1, 1, 1.5, 2) },
});
for (const transformation of ['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'])
  for (const mode of ['nearest', 'linear'])
    add(`Resize ${mode} ${transformation} by scales`, {
      nodes: [op('Resize', 'x _ s', 'y', { mode, coordinate_transformation_mode: transformation })],
      initializers: { s: floats(1, 1, 2, 1.7) },
    });
add('Resize with sizes that exporters compute', {
  nodes: [
    op('Shape', 'x', 'shape'),
    op('Slice', 'shape from to', 'head'),
    op('Concat', 'head hw', 'sizes', { axis: 0 }),
    op('Resize', 'x _ _ sizes', 'y', { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' }),
  ],
  initializers: { from: ints(0), to: ints(2), hw: ints(20, 13) },
});
add('Resize opset 18 with axes', {
  opset: 18,
  nodes: [op('Resize', 'x _ s', 'y', { mode: 'nearest', axes: [3, 2] })],
  initializers: { s: floats(2, 3) },
});
add('Pad opset 9', { opset: 9, nodes: [op('Pad', 'x', 'y', { pads: [0, 0, 1, 2, 0, 1, 0, 3], value: f(0.5) })] });
for (const mode of ['constant', 'reflect', 'edge'])
  add(`Pad ${mode}`, { nodes: [op('Pad', 'x p', 'y', { mode })], initializers: { p: ints(0, 0, 2, 1, 0, 0, 1, 2) } });
add('Pad opset 18 with axes', {
  opset: 18,
  nodes: [op('Pad', 'x p v a', 'y')],
  initializers: { p: ints(1, 2, 3, 4), v: float(2), a: ints(3, 2) },
});
add('Slice opset 9', {
  opset: 9,
  nodes: [op('Slice', 'x', 'y', { axes: [2, 3], starts: [1, -4], ends: [9223372036854775807, -1] })],
});
add('MaxPool whose ceil_mode is another number than 1', {
  nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 2 })],
});
add('Slice with steps', {
  nodes: [op('Slice', 'x s e a t', 'y')],
  initializers: { s: ints(-1, 1), e: ints(-100, 100), a: ints(-1, 2), t: ints(-2, 3) },
});
add('Slice of the whole batch', {
  nodes: [op('Slice', 'x s e a', 'y')],
  initializers: { s: ints(0, 1), e: ints(2147483647, 3), a: ints(0, 1) },
});
add('Split opset 11', { opset: 11, outputs: ['a', 'b'], nodes: [op('Split', 'x', 'a b', { axis: 1, split: [1, 3] })] });
add('Split in equal parts', { outputs: ['a', 'b'], nodes: [op('Split', 'x', 'a b', { axis: 1 })] });
add('Split opset 18 with a smaller last part', {
  opset: 18,
  outputs: ['a', 'b'],
  nodes: [op('Split', 'x', 'a b', { axis: 2, num_outputs: 2 })],
});
add('Dropout, Identity and a no-op Cast', {
  nodes: [
    op('Dropout', 'x', 'd mask'),
    op('Identity', 'd', 'i'),
    op('Cast', 'i', 'c', { to: 1 }),
    op('Relu', 'c', 'y'),
  ],
});
add('an output that is an alias', { outputs: ['r', 'y'], nodes: [op('Relu', 'x', 'r'), op('Identity', 'r', 'y')] });
add('an output that is an input', { nodes: [op('Identity', 'x', 'y')] });
add('a renamed output', { nodes: [op('Relu', 'x', 'r'), op('Identity', 'r', 'y')] });
add('channel shuffle from shape arithmetic', {
  opset: 11,
  nodes: [
    op('Shape', 'x', 's'),
    op('Gather', 's i0', 'n'),
    op('Gather', 's i1', 'c'),
    op('Gather', 's i2', 'h'),
    op('Gather', 's i3', 'w'),
    op('Constant', '', 'two', { value: int(2) }),
    op('Div', 'c two', 'half'),
    ...['n', 'two', 'half', 'h', 'w', 'c'].map((name) => op('Unsqueeze', name, `${name}_`, { axes: [0] })),
    op('Concat', 'n_ two_ half_ h_ w_', 't1', { axis: 0 }),
    op('Reshape', 'x t1', 'r1'),
    op('Transpose', 'r1', 'r2', { perm: [0, 2, 1, 3, 4] }),
    op('Concat', 'n_ c_ h_ w_', 't2', { axis: 0 }),
    op('Reshape', 'r2 t2', 'y'),
  ],
  initializers: { i0: int(0), i1: int(1), i2: int(2), i3: int(3) },
});
add('Reshape with 0 and -1', { nodes: [op('Reshape', 'x t', 'y')], initializers: { t: ints(0, -1, 9) } });
add('Reshape that infers the batch', { nodes: [op('Reshape', 'x t', 'y')], initializers: { t: ints(-1, 40, 9) } });
add('Reshape for a batch of one', {
  inputs: { x: [1, 4, 9, 10] },
  nodes: [op('Reshape', 'x t', 'y')],
  initializers: { t: ints(1, -1) },
});
add('Flatten', { nodes: [op('Flatten', 'x', 'y')] });
add('Flatten axis 2 of one', { inputs: { x: [1, 4, 9, 10] }, nodes: [op('Flatten', 'x', 'y', { axis: 2 })] });
add('padding of channels from ConstantOfShape', {
  nodes: [
    op('Constant', '', 'given', { value: ints(0, 0, 0, 0, 2, 3) }),
    op('Shape', 'given', 'len'),
    op('Sub', 'eight len', 'missing'),
    op('ConstantOfShape', 'missing', 'zeros', { value: ints(0) }),
    op('Concat', 'given zeros', 'pairs', { axis: 0 }),
    op('Reshape', 'pairs two', 'table'),
    op('Slice', 'table from to axes step', 'turned'),
    op('Transpose', 'turned', 'columns', { perm: [1, 0] }),
    op('Reshape', 'columns flat', 'pads'),
    op('Cast', 'pads', 'pads64', { to: 7 }),
    op('Pad', 'x pads64', 'y'),
  ],
  initializers: {
    eight: ints(8),
    two: ints(-1, 2),
    from: ints(-1),
    to: ints(-9223372036854775000),
    axes: ints(0),
    step: ints(-1),
    flat: ints(-1),
  },
});
add('Expand and Where in shape arithmetic', {
  nodes: [
    op('Shape', 'x', 's'),
    op('ConstantOfShape', 'four', 'ones', { value: ints(1) }),
    op('Equal', 's wanted', 'match'),
    op('Where', 'match ones s', 'target'),
    op('ReduceMean', 'x', 'm', { axes: [2, 3] }),
    op('Expand', 'm target', 'y'),
  ],
  initializers: { four: ints(4), wanted: ints(-1, 9, -1, -1) },
});
add('Gemm', {
  inputs: { x: ['N', 5] },
  nodes: [op('Gemm', 'x w b', 'y', { alpha: f(0.5), beta: f(2), transB: 1 })],
  initializers: { w: normal([7, 5]), b: normal([7]) },
});
add('MatMul and bias', {
  inputs: { x: ['N', 5] },
  nodes: [op('MatMul', 'x w', 'm'), op('Add', 'm b', 'y')],
  initializers: { w: normal([5, 7]), b: normal([1, 7]) },
});
add('MatMul of stacks', { nodes: [op('MatMul', 'x w', 'y')], initializers: { w: normal([10, 3]) } });
add('arithmetic with broadcasting', {
  outputs: ['y', 'm'],
  nodes: [
    op('Add', 'x a', 'p'),
    op('Mul', 'p b', 'q'),
    op('Sub', 'c q', 'r'),
    op('Div', 'r d', 'y'),
    op('Max', 'x a p', 'm'),
  ],
  initializers: { a: normal([4, 1, 1]), b: float(3), c: normal([1, 10]), d: positive([9, 1]) },
});
add('Sum of two and of three', {
  nodes: [op('Sum', 'x x', 'two'), op('Sum', 'two x x', 'y')],
});
add('Concat', { nodes: [op('Relu', 'x', 'r'), op('Concat', 'x r x', 'y', { axis: -3 })] });
add('Gather of channels', { nodes: [op('Gather', 'x i', 'y', { axis: 1 })], initializers: { i: ints(3, 0, -2) } });
add('depth to space and back', {
  opset: 13,
  inputs: { x: ['N', 8, 4, 6] },
  outputs: ['d', 'e', 's'],
  nodes: [
    op('DepthToSpace', 'x', 'd', { blocksize: 2 }),
    op('DepthToSpace', 'x', 'e', { blocksize: 2, mode: 'CRD' }),
    op('SpaceToDepth', 'x', 's', { blocksize: 2 }),
  ],
});
add('quantized weights stay quantized', {
  opset: 13,
  nodes: [
    op('QuantizeLinear', 'x sx zx', 'q'),
    op('DequantizeLinear', 'q sx zx', 'd'),
    op('DequantizeLinear', 'w sw', 'wd', { axis: 0 }),
    op('Conv', 'd wd', 'y', {}),
  ],
  initializers: {
    sx: float(0.03),
    zx: tensor('uint8', [], Uint8Array.of(120)),
    w: tensor(
      'int8',
      [6, 4, 1, 1],
      Int8Array.from({ length: 24 }, (_, i) => ((i * 37) % 255) - 127),
    ),
    sw: positive([6]),
  },
});
add('float16 weights', {
  nodes: [op('Cast', 'h', 'w', { to: 1 }), op('Conv', 'x w', 'y')],
  initializers: { h: tensor('float16', [3, 4, 1, 1], Float16Array.from(normal([12]).data)) },
});
add('nodes out of order', {
  nodes: [op('Relu', 'b', 'y'), op('Sigmoid', 'a', 'b'), op('Abs', 'x', 'a')],
});

const byte = (value: number) => tensor('uint8', [], Uint8Array.of(value));
const bytes = (shape: readonly number[]) => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    'int8',
    shape,
    Int8Array.from({ length: count }, (_, i) => ((i * 53) % 255) - 127),
  );
};
add('operators on bytes', {
  outputs: ['y', 'p', 'c', 's'],
  nodes: [
    op('QuantizeLinear', 'x sx zx', 'q'),
    op('QLinearConv', 'q sx zx w sw zw sy zy bias', 'k', { pads: [1, 1, 1, 1], auto_pad: 'NOTSET' }),
    op('QLinearAdd', 'k sy zy q sx zx sy zy', 'a', {}, 'com.microsoft'),
    op('QLinearGlobalAveragePool', 'a sy zy sx zx', 'g', { channels_last: 0 }, 'com.microsoft'),
    op('DequantizeLinear', 'a sy zy', 'y'),
    op('DequantizeLinear', 'g sx zx', 'p'),
    op('QLinearConcat', 'sy zy a sy zy q sx zx', 'both', { axis: 1 }, 'com.microsoft'),
    op('DequantizeLinear', 'both sy zy', 'c'),
    op('QLinearSigmoid', 'a sy zy ss zs', 'm', {}, 'com.microsoft'),
    op('DequantizeLinear', 'm ss zs', 's'),
  ],
  initializers: {
    sx: float(0.03),
    zx: byte(120),
    w: bytes([4, 4, 3, 3]),
    sw: float(0.01),
    zw: tensor('int8', []),
    sy: float(0.15),
    zy: byte(130),
    bias: tensor('int32', [4], Int32Array.of(500, -300, 0, 90)),
    ss: float(1 / 256),
    zs: byte(0),
  },
});
add('matrix products of bytes', {
  inputs: { x: ['N', 6] },
  outputs: ['y', 'z'],
  nodes: [
    op('QuantizeLinear', 'x sx zx', 'q'),
    op('QLinearMatMul', 'q sx zx w sw zw sy zy', 'm'),
    op('DequantizeLinear', 'm sy zy', 'y'),
    op('MatMulInteger', 'q w zx zw', 'i'),
    op('Cast', 'i', 'z', { to: 1 }),
  ],
  initializers: {
    sx: float(0.03),
    zx: byte(120),
    w: bytes([6, 5]),
    sw: float(0.01),
    zw: tensor('int8', []),
    sy: float(0.15),
    zy: byte(130),
  },
});
