import { AppError } from '../base/index.ts';
import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../graph/index.ts';

/** A window moving over up to three spatial dimensions; lower ranks are lifted with leading dimensions of 1. */
export interface Window {
  /** depth, height, width. */
  readonly input: Triple;
  readonly kernel: Triple;
  readonly strides: Triple;
  readonly dilations: Triple;
  readonly padsBegin: Triple;
  readonly padsEnd: Triple;
  readonly output: Triple;
}

export type Triple = readonly [number, number, number];

const lift = (values: readonly number[], fill: number): Triple => {
  const [a = fill, b = fill, c = fill] = [...new Array<number>(3 - values.length).fill(fill), ...values];
  return [a, b, c];
};

export function kernelExtent(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/**
 * The window of a Conv or pool node over `spatial` input dimensions.
 *
 *   output = floor or ceil((input + pads − extent) / stride) + 1; in ceil mode the last window starts inside the input
 *   or its leading padding.
 *
 * @throws MODEL_INVALID where the window does not fit into the padded input
 */
export function windowOf(node: Node, spatial: readonly number[], kernel: readonly number[]): Window {
  const rank = spatial.length;
  if (rank < 1 || rank > 3 || kernel.length !== rank)
    throw invalid(
      node,
      `has a window of ${kernel.length} dimensions over an input of ${rank} spatial dimensions; 1 to 3 fit`,
    );
  const strides = numbersAttribute(node, 'strides', new Array<number>(rank).fill(1));
  const dilations = numbersAttribute(node, 'dilations', new Array<number>(rank).fill(1));
  const pads = [...resolvePads(node, spatial, kernel, strides, dilations)];
  const ceil = numberAttribute(node, 'ceil_mode', 0) === 1;
  const output = spatial.map((size, d) => {
    const begin = pads[d] ?? 0;
    const room = size + begin + (pads[d + rank] ?? 0) - kernelExtent(kernel[d] ?? 1, dilations[d] ?? 1);
    const stride = strides[d] ?? 1;
    const count = (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    return ceil && (count - 1) * stride >= size + begin ? count - 1 : count;
  });
  if (output.some((size) => size < 1))
    throw invalid(node, `has a window larger than its padded input [${spatial.join(', ')}]`);
  return {
    input: lift(spatial, 1),
    kernel: lift(kernel, 1),
    strides: lift(strides, 1),
    dilations: lift(dilations, 1),
    padsBegin: lift(pads.slice(0, rank), 0),
    padsEnd: lift(pads.slice(rank), 0),
    output: lift(output, 1),
  };
}

function resolvePads(
  node: Node,
  spatial: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): readonly number[] {
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  const rank = spatial.length;
  if (auto === 'NOTSET') return numbersAttribute(node, 'pads', new Array<number>(2 * rank).fill(0));
  if (auto === 'VALID') return new Array<number>(2 * rank).fill(0);
  const begins: number[] = [];
  const ends: number[] = [];
  for (const [d, size] of spatial.entries()) {
    const stride = strides[d] ?? 1;
    const extent = kernelExtent(kernel[d] ?? 1, dilations[d] ?? 1);
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent - size);
    const small = Math.floor(total / 2);
    begins.push(auto === 'SAME_LOWER' ? total - small : small);
    ends.push(auto === 'SAME_LOWER' ? small : total - small);
  }
  return [...begins, ...ends];
}

/** First and one past the last output index whose tap `k` lies inside the input. */
export function validRange(window: Window, dimension: 0 | 1 | 2, tap: number): [number, number] {
  const stride = window.strides[dimension];
  const offset = tap * window.dilations[dimension] - window.padsBegin[dimension];
  const first = Math.max(0, Math.ceil(-offset / stride));
  const end = Math.min(window.output[dimension], Math.floor((window.input[dimension] - 1 - offset) / stride) + 1);
  return [first, Math.max(first, end)];
}

/** Output shape: leading dimensions, then the window's own spatial rank. */
export function spatialShape(window: Window, rank: number): number[] {
  return window.output.slice(3 - rank);
}

export function invalid(node: Node, what: string): AppError {
  return new AppError('MODEL_INVALID', `Node '${node.name}' (${node.opType}) ${what}.`, {
    nodeName: node.name,
    opType: node.opType,
  });
}
