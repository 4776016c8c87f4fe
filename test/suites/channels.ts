import fc from 'fast-check';
import { seededRandom, type Random } from '../../src/base/index.ts';
import type { Node, Operation, QuantizedValue } from '../../src/graph/index.ts';
import type { Tensor } from '../../src/tensor/index.ts';
import {
  graphOf,
  int64,
  integerOf,
  problemOf,
  quantized,
  randomBytes,
  seeds,
  type ExpectedKernel,
  type Problem,
  type Suite,
} from './problem.ts';
import { randomWeights } from './weights.ts';

const NOTHING = { qmin: 0, qmax: 255 };

/** What makes a value out of others of the same image; the numbers choose among those that there are. */
const makers = ['conv', 'pad', 'depthwise', 'sum', 'table', 'pool', 'slice', 'split', 'grow', 'concat'] as const;

export interface ChannelSizes {
  readonly size: readonly [number, number];
  readonly channels: number;
  readonly steps: readonly {
    readonly make: (typeof makers)[number];
    readonly of: readonly number[];
    readonly channels: number;
  }[];
  readonly isOutput: boolean;
  readonly seed: number;
}

/** Values of one image size and one scale, among which channels are joined and split at will. */
export class ChannelBuilder {
  readonly operations: Operation[] = [];
  readonly values: Record<string, QuantizedValue> = {};
  readonly constants: Record<string, Tensor> = {};
  readonly kernels: Record<string, ExpectedKernel> = {};
  readonly random: Random;
  readonly #size: readonly [number, number];

  constructor(random: Random, size: readonly [number, number]) {
    this.random = random;
    this.#size = size;
  }

  value(name: string, channels: number, size = this.#size): string {
    this.values[name] = quantized([1, channels, ...size], 100);
    return name;
  }

  channelsOf(name: string): number {
    return this.values[name]?.shape[1] ?? 0;
  }

  /** @param expected its kernel; absent for moves, which may become one with others */
  add(operation: Operation, channels: number, expected?: RegExp): string {
    this.operations.push(operation);
    if (expected) this.kernels[operation.name] = () => expected;
    return this.value(operation.output, channels);
  }

  make(kind: ChannelSizes['steps'][number]['make'], inputs: readonly string[], channels: number): readonly string[] {
    const name = `${kind}${this.operations.length}`;
    const output = `${name}/y`;
    const [input = '', other = ''] = inputs;
    const from = this.channelsOf(input);
    switch (kind) {
      case 'conv':
      case 'pad':
      case 'depthwise':
      case 'grow': {
        const depthwise = kind === 'depthwise';
        const [kernel, pad] = kind === 'conv' ? [1, 0] : [3, 1];
        const [out, group] = depthwise ? [from, from] : [channels, 1];
        const y = this.add(
          {
            ...{ kind: 'conv', name, input, output, group, strides: [1, 1], dilations: [1, 1], clamp: NOTHING },
            pads: [pad, pad, pad, pad],
            weights: randomWeights(
              [out, from / group, kernel, kernel],
              out,
              { regime: 'usual', asymmetric: false, bias: 'moderate' },
              { zeroPoint: 100, random: this.random },
            ),
          },
          out,
          /^conv\./,
        );
        // a dense block: what was there, and what grew from it
        return kind === 'grow' ? [y, ...this.make('concat', [input, y], 0)] : [y];
      }
      case 'sum': {
        const same = this.channelsOf(other) === from ? other : input;
        return [
          this.add({ kind: 'add', name, inputs: [input, same], output, clamp: NOTHING }, from, /^add\.|^fused into/),
        ];
      }
      case 'table':
        return [
          this.add(
            { kind: 'table', name, opType: 'HardSwish', input, output, table: randomBytes(256, this.random) },
            from,
            /^table\./,
          ),
        ];
      case 'pool': {
        const window = { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] } as const;
        return [this.add({ kind: 'maxPool', name, input, output, ...window }, from, /^maxPool/)];
      }
      case 'slice': {
        const first = integerOf(this.random, 0, from - 1);
        return [this.slice(name, input, Math.min(first, from - 1), Math.min(first + channels, from))];
      }
      case 'split': {
        const half = Math.ceil(from / 2 / 16) * 16;
        if (half >= from) return [];
        return [this.slice(`${name}a`, input, 0, half), this.slice(`${name}b`, input, half, from)];
      }
      case 'concat': {
        const all = inputs.reduce((sum, each) => sum + this.channelsOf(each), 0);
        if (all > MOST_CHANNELS) return [];
        return [this.add({ kind: 'concat', name, inputs, output, axis: 1 }, all)];
      }
    }
  }

  slice(name: string, input: string, start: number, end: number): string {
    const inputs = [input, ...(['starts', 'ends', 'axes'] as const).map((part) => `${name}/${part}`)];
    [start, end, 1].forEach((number, at) => (this.constants[inputs[at + 1]!] = int64([number])));
    const node: Node = { name, opType: 'Slice', domain: '', inputs, outputs: [`${name}/y`], attributes: new Map() };
    const operation: Operation = { kind: 'layout', name, input, output: `${name}/y`, node, outputIndex: 0 };
    return this.add(operation, end - start);
  }
}

const MOST_CHANNELS = 240;

/** The network as far as it is built, with some of its values as outputs. */
export function problemOfChannels(net: ChannelBuilder, outputs: readonly string[], sizes?: unknown): Problem {
  const { operations, values, constants, kernels, random } = net;
  const graph = graphOf(operations, values, { inputs: ['x'], outputs }, constants);
  return problemOf({ graph, kernels, random, batch: 1, sizes });
}

export function channelProblem({ size, channels, steps, isOutput, seed }: ChannelSizes): Problem {
  const random = seededRandom(seed);
  const net = new ChannelBuilder(random, size);
  const made = [net.value('x', channels)];
  for (const { make, of, channels: next } of steps) {
    const inputs = of.map((number) => made[made.length - 1 - (number % made.length)]!);
    made.push(...net.make(make, make === 'concat' ? inputs : inputs.slice(0, 2), next));
  }
  const read = new Set(
    net.operations.flatMap((operation) =>
      'inputs' in operation ? operation.inputs : 'input' in operation ? [operation.input] : [],
    ),
  );
  const ends = made.filter((name) => name !== 'x' && (!read.has(name) || (isOutput && random() < 0.2)));
  if (ends.length === 0)
    return channelProblem({ size, channels, steps: [{ make: 'conv', of: [0], channels }], isOutput, seed });
  return problemOfChannels(net, ends, { size, channels, steps, isOutput, seed });
}

const widths = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(16, 32, 48) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }) },
);

const step = fc.record({
  make: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...makers) },
    { weight: 1, arbitrary: fc.constantFrom('conv' as const, 'concat' as const) },
  ),
  of: fc.array(fc.nat({ max: 4 }), { minLength: 2, maxLength: 4 }),
  channels: widths,
});

export const channelSuite: Suite = {
  name: 'channels joined and split',
  runs: 60,
  problems: fc
    .record({
      size: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
      channels: widths,
      steps: fc.array(step, { minLength: 2, maxLength: 10 }),
      isOutput: fc.boolean(),
      seed: seeds,
    })
    .map(channelProblem),
};
