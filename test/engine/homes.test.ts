import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { pairs } from '../../src/engine/dot.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import { tensor } from '../../src/tensor/index.ts';
import { ChannelBuilder, problemOfChannels } from '../suites/channels.ts';
import type { Problem } from '../suites/problem.ts';
import { randomWeights } from '../suites/weights.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

const SIZE = [6, 6] as const;

function network(build: (net: ChannelBuilder) => readonly string[], channels = 32): Problem {
  const net = new ChannelBuilder(seededRandom(5), SIZE);
  net.value('x', channels);
  return problemOfChannels(net, build(net));
}

const one = ([name = '']: readonly string[]): string => name;

/** Squeeze, and two convolutions side by side. */
const fire = network((net) => {
  const squeezed = one(net.make('conv', ['x'], 16));
  const joined = net.make('concat', [one(net.make('conv', [squeezed], 64)), one(net.make('pad', [squeezed], 64))], 0);
  return net.make('conv', joined, 16);
});

/** Each layer reads all before it, and adds to them. */
const denseBlock = network((net) => {
  let all = one(net.make('conv', ['x'], 64));
  for (let layer = 0; layer < 3; layer++) {
    const grown = net.make('pad', net.make('conv', [all], 48), 32);
    all = one(net.make('concat', [all, one(grown)], 0));
  }
  return net.make('conv', [all], 16);
});

/** Two halves of one value, and what residual blocks make of the second, all joined. */
const crossStage = network((net) => {
  const [first = '', second = ''] = net.make('split', net.make('table', net.make('conv', ['x'], 64), 0), 0);
  const parts = [first, second];
  for (let block = 0; block < 2; block++) {
    const inner = net.make('table', net.make('pad', [parts.at(-1)!], 32), 0);
    parts.push(one(net.make('sum', [one(net.make('pad', inner, 32)), parts.at(-1)!], 0)));
  }
  return net.make('conv', net.make('concat', parts, 0), 16);
});

/** A small image made large, in two ways, beside the large one from which it came. */
const decoder = network((net) => {
  const skip = one(net.make('pad', ['x'], 16));
  const window = { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
  net.operations.push({ kind: 'maxPool', name: 'down', input: skip, output: 'down/y', ...window });
  net.value('down/y', 16, [3, 3]);
  const kind = { regime: 'usual', asymmetric: false, bias: 'moderate' } as const;
  const weights = randomWeights([16, 32, 2, 2], 32, kind, { zeroPoint: 100, random: net.random });
  const up = net.add(
    {
      ...{ kind: 'convTranspose', name: 'up', input: 'down/y', output: 'up/y', weights, group: 1, strides: [2, 2] },
      ...{ dilations: [1, 1], pads: [0, 0, 0, 0], clamp: { qmin: 0, qmax: 255 } },
    },
    32,
    /^convTranspose\./,
  );
  const inputs = ['down/y', '', 'scales'];
  net.constants['scales'] = tensor('float32', [4], Float32Array.of(1, 1, 2, 2));
  const nearest = [
    ['mode', 'nearest'],
    ['coordinate_transformation_mode', 'asymmetric'],
    ['nearest_mode', 'floor'],
  ] as const;
  const node = {
    name: 'resize',
    opType: 'Resize',
    domain: '',
    inputs,
    outputs: ['resize/y'],
    attributes: new Map(nearest),
  };
  const resize = { kind: 'layout', name: 'resize', input: 'down/y', output: 'resize/y', node, outputIndex: 0 } as const;
  return net.make('conv', net.make('concat', [up, net.add(resize, 16), skip], 0), 16);
});

function kernelsOf({ graph }: Problem): ReadonlyMap<string, string> {
  return new Map(planNetwork(graph, pairs).steps.map(({ name, kernel }) => [name, kernel]));
}

const movesOf = (problem: Problem): string[] =>
  [...kernelsOf(problem).values()].filter((kernel) => kernel.startsWith('move'));

describe('values that lie within others', () => {
  it.each<[string, Problem, readonly string[]]>([
    ['a fire module', fire, ['inPlace']],
    ['a dense block', denseBlock, ['inPlace', 'inPlace', 'inPlace']],
    ['a cross-stage block', crossStage, ['inPlace', 'inPlace', 'inPlace']],
    ['a decoder, but for Resize itself', decoder, ['copies', 'inPlace']],
  ])('copy nothing in %s', (_, problem, moves) => {
    expect(movesOf(problem)).toEqual(moves.map((move) => `move.${move}`));
    for (const [, runner] of runners) expectSameBits(problem, runner);
  });

  it('take no memory of their own', () => {
    const { addresses, layouts } = planNetwork(fire.graph, pairs);
    const concat = fire.graph.operations.find(({ kind }) => kind === 'concat')!;
    const host = addresses.get(concat.output)!;
    const operands = 'inputs' in concat ? concat.inputs : [];
    expect(operands.map((name) => addresses.get(name)! - host)).toEqual([0, 64]);
    for (const name of operands) expect(layouts.get(name)).toMatchObject({ channelStride: 64, pixelStride: 128 });
  });

  it.each<[string, (net: ChannelBuilder) => readonly string[]]>([
    ['enters the network', (net) => net.make('concat', ['x', one(net.make('conv', ['x'], 16))], 0)],
    [
      'leaves the network',
      (net) => {
        const y = one(net.make('conv', ['x'], 16));
        return [y, ...net.make('conv', net.make('concat', [y, one(net.make('pad', ['x'], 16))], 0), 16)];
      },
    ],
    [
      'stands there twice',
      (net) => {
        const y = one(net.make('conv', ['x'], 16));
        return net.make('conv', net.make('concat', [y, y], 0), 16);
      },
    ],
    [
      'has padding in front of another',
      (net) => {
        const [y, z] = [one(net.make('conv', ['x'], 24)), one(net.make('conv', ['x'], 16))];
        return net.make('conv', net.make('concat', [y, z], 0), 16);
      },
    ],
    [
      'is read by a kernel of contiguous values',
      (net) => {
        const [y, z] = [one(net.make('conv', ['x'], 16)), one(net.make('conv', ['x'], 16))];
        const product = net.add(
          { kind: 'mul', name: 'mul', inputs: [y, z], output: 'mul/y', clamp: { qmin: 0, qmax: 255 } },
          16,
          /^mul\./,
        );
        return net.make('conv', net.make('concat', [y, product], 0), 16);
      },
    ],
    [
      'shares channels with a part of another',
      (net) => {
        const y = one(net.make('conv', ['x'], 32));
        const part = net.slice('part', y, 0, 16);
        return net.make('conv', net.make('concat', [y, part], 0), 16);
      },
    ],
  ])('are copied where one %s', (_, build) => {
    const problem = network(build);
    const concat = problem.graph.operations.find(({ kind }) => kind === 'concat')!;
    expect(kernelsOf(problem).get(concat.name)).toMatch(/^move\.(copies|shuffle)$/);
    for (const [, runner] of runners) expectSameBits(problem, runner);
  });
});
