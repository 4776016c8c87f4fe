import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import type { AttributeValue, FloatOperation, FloatValue } from '../../src/graph/index.ts';
import type { Tensor } from '../../src/tensor/index.ts';
import { constantOf } from '../suites/float/node.ts';
import { graphOf, int64, problemOf, type Problem } from '../suites/problem.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

/** Float nodes one after the other; each method returns the name of its result. */
class FloatBuilder {
  readonly operations: FloatOperation[] = [];
  readonly values: Record<string, FloatValue> = {};
  readonly constants: Record<string, Tensor> = {};
  readonly random = seededRandom(3);

  value(name: string, shape: readonly number[]): string {
    this.values[name] = { kind: 'float', dtype: 'float32', shape };
    return name;
  }

  node(
    opType: string,
    inputs: readonly (string | Tensor)[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    const name = `${opType}${this.operations.length}`;
    const names = inputs.map((input, at) => {
      if (typeof input === 'string') return input;
      this.constants[`${name}/${at}`] = input;
      return `${name}/${at}`;
    });
    const output = this.value(`${name}/y`, shape);
    const node = {
      name,
      opType,
      domain: '',
      inputs: names,
      outputs: [output],
      attributes: new Map(Object.entries(attributes)),
    };
    this.operations.push({ kind: 'float', name, node, output, outputs: [output] });
    return output;
  }

  real(...shape: readonly number[]): Tensor {
    return constantOf(shape, this.random);
  }

  problem(output: string): Problem {
    const graph = graphOf(this.operations, this.values, { inputs: ['x'], outputs: [output] }, this.constants);
    return problemOf({ graph, kernels: {}, random: this.random, batch: 1 });
  }
}

/** x + MLP(norm(x)), rows of `width` numbers. */
function perceptron(net: FloatBuilder, x: string, shape: readonly number[], width: number): string {
  const wide = [...shape.slice(0, -1), 2 * width];
  const normal = net.node('LayerNormalization', [x, net.real(width), net.real(width)], shape, { axis: -1 });
  const inner = net.node('Gelu', [net.node('MatMul', [normal, net.real(width, 2 * width)], wide)], wide);
  return net.node('MatMul', [inner, net.real(2 * width, width)], shape);
}

/** Attention of several heads among tokens, and a perceptron, as in a vision transformer. */
function attention(tokens: number, heads: number, depth: number): Problem {
  const net = new FloatBuilder();
  const width = heads * depth;
  const shape = [1, tokens, width];
  const x = net.value('x', shape);
  const normal = net.node('LayerNormalization', [x, net.real(width), net.real(width)], shape, { axis: -1 });
  const head = (perm: readonly number[]): string => {
    const all = net.node('MatMul', [normal, net.real(width, width)], shape);
    const split = [1, tokens, heads, depth];
    const parted = net.node('Reshape', [all, int64(split)], split);
    return net.node(
      'Transpose',
      [parted],
      perm.map((axis) => split[axis]!),
      { perm: [...perm] },
    );
  };
  const square = [1, heads, tokens, tokens];
  const alike = net.node('MatMul', [head([0, 2, 1, 3]), head([0, 2, 3, 1])], square);
  const weights = net.node('Softmax', [net.node('Mul', [alike, net.real()], square)], square, { axis: -1 });
  const mixed = net.node('MatMul', [weights, head([0, 2, 1, 3])], [1, heads, tokens, depth]);
  const turned = net.node('Transpose', [mixed], [1, tokens, heads, depth], { perm: [0, 2, 1, 3] });
  const joined = net.node('Reshape', [turned, int64(shape)], shape);
  const sum = net.node('Add', [x, net.node('MatMul', [joined, net.real(width, width)], shape)], shape);
  return net.problem(net.node('Add', [sum, perceptron(net, sum, shape, width)], shape));
}

/** A depthwise 7x7 convolution, and a perceptron over the channels of each pixel, as in ConvNeXt. */
function channelsLast(channels: number, size: number): Problem {
  const net = new FloatBuilder();
  const [image, rows] = [
    [1, channels, size, size],
    [1, size, size, channels],
  ];
  const x = net.value('x', image);
  const window = { group: channels, kernel_shape: [7, 7], pads: [3, 3, 3, 3], strides: [1, 1], dilations: [1, 1] };
  const mixed = net.node('Conv', [x, net.real(channels, 1, 7, 7), net.real(channels)], image, window);
  const turned = net.node('Transpose', [mixed], rows, { perm: [0, 2, 3, 1] });
  const scaled = net.node('Mul', [perceptron(net, turned, rows, channels), net.real(channels)], rows);
  const back = net.node('Transpose', [scaled], image, { perm: [0, 3, 1, 2] });
  return net.problem(net.node('Add', [x, back], image));
}

describe('blocks of hybrid networks', () => {
  it.each([
    ['attention', attention(9, 3, 5)],
    ['attention of whole vectors', attention(16, 2, 8)],
    ['channels last', channelsLast(12, 5)],
    ['channels last of odd sizes', channelsLast(7, 3)],
  ])('run in WebAssembly, with the bits of the reference: %s', (_, problem) => {
    for (const [, runner] of runners.slice(0, 2)) {
      const islands = planNetwork(problem.graph, runner.dot).steps.filter(({ entry }) => entry === undefined);
      expect(islands.map(({ kernel, name }) => `${name}: ${kernel}`)).toEqual([]);
      expectSameBits(problem, runner);
    }
  });
});
