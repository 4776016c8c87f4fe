import { numberAttribute, type Node } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';

/** Two convolutions of which the second alone reads the first, directly or through one Relu or Clip from 0 up. */
export interface Pair {
  readonly first: Node;
  readonly second: Node;
  readonly activation: Node | undefined;
  /** Upper bound of the activation. */
  readonly cap: number;
  readonly channels: number;
}

/** Float data of a constant; nothing where there is none. */
export function dataOf(constants: ReadonlyMap<string, Tensor>, name: string | undefined): Float32Array {
  const constant = constants.get(name ?? '');
  return constant?.dtype === 'float32' ? constant.data : new Float32Array();
}

/** Calls `visit` with each weight of a Conv and the input channel that it multiplies. */
export function forEachInputChannel(
  node: Node,
  shape: readonly number[],
  visit: (at: number, channel: number) => void,
): void {
  const [outputs = 1, perGroup = 1, ...kernel] = shape;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const outputsPerGroup = outputs / numberAttribute(node, 'group', 1);
  for (let at = 0; at < outputs * perGroup * taps; at++) {
    const group = Math.floor(at / (taps * perGroup * outputsPerGroup));
    visit(at, group * perGroup + (Math.floor(at / taps) % perGroup));
  }
}
