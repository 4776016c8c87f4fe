import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatGraph, type Graph } from '../../src/graph/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import type { Tensor, TensorMap } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { simplifyPasses } from '../../src/transform/simplify/index.ts';
import { f, modelOf, normal, op, positive, type Network } from './support/build.ts';
import { randomFeeds, relativeError } from './support/oracle.ts';
import { passCases } from './support/passCases.ts';

async function run(graph: Graph, feeds: TensorMap): Promise<TensorMap> {
  const session = await referenceExecutor.load(graph, graph.outputs);
  return session.run(feeds);
}

async function expectSame(before: Graph, after: Graph): Promise<void> {
  const feeds = randomFeeds(before, { batch: 2, seed: 3 });
  const [expected, actual] = [await run(before, feeds), await run(after, feeds)];
  for (const name of before.outputs)
    expect(relativeError(expected.get(name), actual.get(name)), name).toBeLessThan(1e-5);
}

describe('a pass', () => {
  it.each(Object.keys(passCases))('on %s', async (name) => {
    const { pass, network, leaves } = passCases[name]!;
    const before = importModel(modelOf(network));
    const text = formatGraph(before);
    const after = pass(before);
    expect(after.nodes.map(({ opType }) => opType)).toEqual(leaves);
    await expectSame(before, after);
    expect(formatGraph(before), 'the graph given is not changed').toBe(text);
    const file = name.replaceAll(/[^A-Za-z]+/g, '-');
    await expect(`# before\n${text}\n\n# after\n${formatGraph(after)}\n`).toMatchFileSnapshot(`golden/${file}.txt`);
  });

  it('keeps the names of what remains', () => {
    const { network } = passCases['grouped Conv with bias, BatchNormalization, Mul, Add']!;
    const [node] = simplify(importModel(modelOf(network))).nodes;
    expect(node).toMatchObject({ name: 'Conv_c', inputs: ['x', 'w', 'b'], outputs: ['y'] });
  });

  it('leaves what is simple as it is', () => {
    for (const { network } of Object.values(passCases)) {
      const once = simplify(importModel(modelOf(network)));
      expect(formatGraph(simplify(once))).toBe(formatGraph(once));
    }
  });
});

describe('simplify', () => {
  const layer = fc.record({
    kind: fc.constantFrom('conv', 'bn', 'relu', 'clip', 'mul', 'add', 'pad', 'branch'),
    kernel: fc.constantFrom(1, 2, 3),
    pad: fc.constantFrom(0, 1),
    group: fc.constantFrom(1, 2, 4),
    bias: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1000 }),
  });

  it('changes no output of random networks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 9 }), async (layers) => {
        const before = importModel(modelOf(randomNetwork(layers)));
        await expectSame(before, simplify(before));
        let step = before;
        for (const pass of simplifyPasses) {
          step = pass(step);
          expect(step.outputs).toEqual(before.outputs);
          for (const { inputs, outputs } of step.nodes)
            for (const name of [...inputs, ...outputs]) if (name !== '') expect(step.types.has(name), name).toBe(true);
        }
      }),
      { numRuns: 120 },
    );
  });
});

interface Layer {
  readonly kind: string;
  readonly kernel: number;
  readonly pad: number;
  readonly group: number;
  readonly bias: boolean;
  readonly seed: number;
}

/** Four channels all along; a branch reads the value before it a second time. */
function randomNetwork(layers: readonly Layer[]): Network {
  const initializers: Record<string, Tensor> = {};
  const nodes: Network['nodes'][number][] = [];
  let value = 'x';
  let size = 12;
  layers.forEach(({ kind, kernel, pad, group, bias, seed }, index) => {
    const next = `value${index}`;
    const make = (hint: string, tensor: Tensor): string => {
      initializers[`${hint}${index}`] = tensor;
      return `${hint}${index}`;
    };
    if (kind === 'conv' && size + 2 * pad >= kernel) {
      const inputs = [value, make('w', normal([4, 4 / group, kernel, kernel], seed))];
      if (bias) inputs.push(make('b', normal([4], seed)));
      nodes.push(op('Conv', inputs.join(' '), next, { group, pads: [pad, pad, pad, pad] }));
      size += 2 * pad - kernel + 1;
    } else if (kind === 'bn') {
      const statistics = ['g', 'h', 'm'].map((hint, at) => make(hint, normal([4], seed + at)));
      nodes.push(op('BatchNormalization', [value, ...statistics, make('v', positive([4], seed))].join(' '), next));
    } else if (kind === 'clip') nodes.push(op('Clip', `${value} ${make('lo', normal([], seed))}`, next));
    else if (kind === 'mul') nodes.push(op('Mul', `${value} ${make('k', normal([4, 1, 1], seed))}`, next));
    else if (kind === 'add') nodes.push(op('Add', `${make('s', normal([1, 4, 1, 1], seed))} ${value}`, next));
    else if (kind === 'pad') {
      nodes.push(op('Pad', `${value} p`, next));
      initializers.p = { dtype: 'int64', shape: [8], data: BigInt64Array.of(0n, 0n, 1n, 0n, 0n, 0n, 0n, 1n) };
      size += 1;
    } else if (kind === 'branch') {
      nodes.push(op('LeakyRelu', value, `${next}.l`, { alpha: f(0.1) }), op('Add', `${value} ${next}.l`, next));
    } else nodes.push(op('Relu', value, next));
    value = next;
  });
  return { opset: 18, inputs: { x: ['N', 4, 12, 12] }, outputs: [value], nodes, initializers };
}
