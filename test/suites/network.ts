import fc from 'fast-check';
import { seededRandom, type Random } from '../../src/base/index.ts';
import type { FloatValue, Node, Operation, QuantizedValue } from '../../src/graph/index.ts';
import type { Tensor } from '../../src/tensor/index.ts';
import {
  graphOf,
  integerOf,
  problemOf,
  quantized,
  randomBytes,
  seeds,
  upTo,
  type ExpectedKernel,
  type Problem,
  type Suite,
} from './problem.ts';
import { gemmKernel } from './conv.ts';
import { randomWeights } from './weights.ts';

/** How a network is put together: its widths, and which parts it has. */
export interface NetworkSizes {
  readonly size: number;
  readonly stem: number;
  readonly blocks: readonly {
    readonly expand: number;
    readonly channels: number;
    readonly kernel: 3 | 5;
    readonly stride: 1 | 2;
    readonly gate: boolean;
    readonly branch: boolean;
    readonly pool: boolean;
  }[];
  readonly classes: number;
  readonly seed: number;
}

const block = fc.record({
  expand: fc.oneof(fc.constantFrom(16, 32), upTo(40)),
  channels: fc.oneof(fc.constantFrom(16, 32), upTo(24)),
  kernel: fc.constantFrom(3 as const, 5 as const),
  stride: fc.constantFrom(1 as const, 2 as const),
  gate: fc.boolean(),
  branch: fc.boolean(),
  pool: fc.boolean(),
});

/** Collects operations and their values; each method returns the name of its result. */
class NetworkBuilder {
  readonly operations: Operation[] = [];
  readonly values: Record<string, QuantizedValue | FloatValue> = {};
  readonly kernels: Record<string, ExpectedKernel> = {};
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  value(name: string): QuantizedValue {
    const value = this.values[name];
    if (value?.kind !== 'quantized') throw new Error(`'${name}' is not quantized`);
    return value;
  }

  #name(kind: string): string {
    return `${kind}${this.operations.length}`;
  }

  #add(operation: Operation, shape: readonly number[], expected: RegExp, like?: QuantizedValue): string {
    this.operations.push(operation);
    const zeroPoint = integerOf(this.#random, 0, 255);
    this.values[operation.output] = like ? { ...like, shape } : quantized(shape, zeroPoint);
    this.kernels[operation.name] = () => expected;
    return operation.output;
  }

  image(size: number): string {
    this.values['image'] = { kind: 'float', dtype: 'float32', shape: [1, 3, size, size] };
    const quantize = { kind: 'quantize', name: 'quantize', input: 'image', output: 'quantized' } as const;
    return this.#add(quantize, [1, 3, size, size], /^quantize\./);
  }

  conv(
    input: string,
    channels: number,
    options: { kernel?: number; stride?: number; depthwise?: boolean } = {},
  ): string {
    const { kernel = 1, stride = 1, depthwise = false } = options;
    const from = this.value(input);
    const [, inChannels = 1, height = 1, width = 1] = from.shape;
    const group = depthwise ? inChannels : 1;
    const pad = (kernel - 1) / 2;
    const out = (extent: number): number => Math.floor((extent - 1) / stride) + 1;
    const name = this.#name('conv');
    const weights = randomWeights(
      [channels, inChannels / group, kernel, kernel],
      channels,
      { regime: 'usual', asymmetric: false, bias: 'moderate' },
      { zeroPoint: from.zeroPoint, random: this.#random },
    );
    return this.#add(
      {
        ...{ kind: 'conv', name, input, output: `${name}/y`, weights, group },
        ...{ strides: [stride, stride], dilations: [1, 1], pads: [pad, pad, pad, pad], clamp: { qmin: 2, qmax: 254 } },
      },
      [1, channels, out(height), out(width)],
      /^conv\.(gemm|depthwise|winograd)/,
    );
  }

  binary(kind: 'add' | 'mul', one: string, other: string): string {
    const name = this.#name(kind);
    const clamp = { qmin: 0, qmax: 255 };
    const operation = { kind, name, inputs: [one, other], output: `${name}/y`, clamp } as const;
    return this.#add(operation, this.value(one).shape, new RegExp(`^${kind}\\.|^fused into `));
  }

  table(input: string): string {
    const name = this.#name('table');
    const table = randomBytes(256, this.#random);
    const operation = { kind: 'table', name, opType: 'HardSwish', input, output: `${name}/y`, table } as const;
    return this.#add(operation, this.value(input).shape, /^table\./);
  }

  concat(inputs: readonly string[]): string {
    const name = this.#name('concat');
    const [first = ''] = inputs;
    const [, , height = 1, width = 1] = this.value(first).shape;
    const channels = inputs.reduce((sum, input) => sum + this.value(input).shape[1]!, 0);
    const operation = { kind: 'concat', name, inputs, output: `${name}/y`, axis: 1 } as const;
    return this.#add(operation, [1, channels, height, width], /^move\./, this.value(first));
  }

  maxPool(input: string): string {
    const name = this.#name('maxPool');
    const [, channels = 1, height = 1, width = 1] = this.value(input).shape;
    const out = (extent: number): number => Math.floor((extent - 1) / 2) + 1;
    const window = { kernel: [3, 3], strides: [2, 2], dilations: [1, 1], pads: [1, 1, 1, 1] } as const;
    const operation = { kind: 'maxPool', name, input, output: `${name}/y`, ...window } as const;
    return this.#add(operation, [1, channels, out(height), out(width)], /^maxPool/, this.value(input));
  }

  globalPool(input: string): string {
    const name = this.#name('pool');
    const [, channels = 1, height = 1, width = 1] = this.value(input).shape;
    const window = { kernel: [height, width], strides: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false } as const;
    const clamp = { qmin: 0, qmax: 255 };
    const operation = { kind: 'averagePool', name, input, output: `${name}/y`, ...window, clamp } as const;
    return this.#add(operation, [1, channels, 1, 1], /^(averagePool|fused into )/);
  }

  flatten(input: string): string {
    const name = this.#name('flatten');
    const node: Node = {
      ...{ name, opType: 'Flatten', domain: '', inputs: [input], outputs: [`${name}/y`], attributes: new Map() },
    };
    const operation = { kind: 'layout', name, input, output: `${name}/y`, node, outputIndex: 0 } as const;
    return this.#add(operation, [1, this.value(input).shape[1]!], /^move\./, this.value(input));
  }

  /** A layer that returns float, and the softmax of it. */
  classify(input: string, classes: number): string {
    const from = this.value(input);
    const depth = from.shape[1]!;
    const kind = { regime: 'usual', asymmetric: false, bias: 'moderate' } as const;
    const weights = randomWeights([classes, depth], classes, kind, { zeroPoint: from.zeroPoint, random: this.#random });
    this.operations.push({
      ...{ kind: 'fullyConnected', name: 'classes', input, output: 'logits', weights, clamp: { qmin: 0, qmax: 255 } },
    });
    const node: Node = {
      ...{ name: 'softmax', opType: 'Softmax', domain: '', inputs: ['logits'], outputs: ['scores'] },
      attributes: new Map([['axis', -1]]),
    };
    this.operations.push({ kind: 'float', name: 'softmax', node, outputs: ['scores'], output: 'scores' });
    for (const name of ['logits', 'scores'])
      this.values[name] = { kind: 'float', dtype: 'float32', shape: [1, classes] };
    this.kernels['classes'] = gemmKernel('fullyConnected', kind);
    this.kernels['softmax'] = () => /^float\.softmax$/;
    return 'scores';
  }
}

/** A network with residual sums, gates, branches and pools, all kernels in one memory. */
export function networkProblem(sizes: NetworkSizes, batch: number): Problem {
  const random = seededRandom(sizes.seed);
  const net = new NetworkBuilder(random);
  let x = net.conv(net.image(sizes.size), sizes.stem, { kernel: 3, stride: 2 });
  for (const part of sizes.blocks) {
    let y = net.conv(x, part.expand);
    y = net.table(net.conv(y, part.expand, { kernel: part.kernel, stride: part.stride, depthwise: true }));
    if (part.gate) y = net.binary('mul', y, net.table(net.conv(net.globalPool(y), part.expand)));
    y = net.conv(y, part.channels);
    x = part.stride === 1 && net.value(x).shape[1] === part.channels ? net.binary('add', x, y) : y;
    if (part.branch) x = net.concat([x, net.conv(x, part.channels, { kernel: 3 })]);
    if (part.pool) x = net.maxPool(x);
  }
  net.classify(net.flatten(net.globalPool(x)), sizes.classes);
  const constants: Record<string, Tensor> = {};
  return problemOf({
    graph: graphOf(net.operations, net.values, { inputs: ['image'], outputs: ['scores', 'logits'] }, constants),
    kernels: net.kernels,
    ...{ random, batch, sizes },
  });
}

export const networkSuite: Suite = {
  name: 'whole network',
  runs: 12,
  problems: fc
    .record({
      size: fc.integer({ min: 5, max: 20 }),
      stem: upTo(20),
      blocks: fc.array(block, { minLength: 1, maxLength: 3 }),
      classes: upTo(20),
      seed: seeds,
    })
    .map((sizes) => networkProblem(sizes, 2)),
};
