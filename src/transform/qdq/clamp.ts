import type { Clamp, Node } from '../../graph/index.ts';
import { quantizeByte } from '../quantizedTable.ts';
import type { Lowering } from './lowering.ts';
import { inputName, numbersOf, type Params } from './parameters.ts';

/** Bounds of a fused activation, in real numbers. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** One upper bound a channel, after `min` and `max`. */
  readonly caps?: readonly number[];
}

export const unbounded: Bounds = { min: -Infinity, max: Infinity };

/** The bounds that a Relu, a Clip with constant limits or a Min with a constant imposes; undefined for any other node. */
export function boundsOf(lowering: Lowering, node: Node): Bounds | undefined {
  if (node.domain !== '') return undefined;
  if (node.opType === 'Relu') return { min: 0, max: Infinity };
  if (node.opType === 'Min') return capsOf(lowering, node);
  if (node.opType !== 'Clip') return undefined;
  const limit = (index: number, absent: number): number | undefined => {
    const name = inputName(node, index);
    if (name === '') return absent;
    const constant = lowering.constant(name);
    return constant && numbersOf(constant)[0];
  };
  const min = limit(1, -Infinity);
  const max = limit(2, Infinity);
  return min === undefined || max === undefined ? undefined : { min, max };
}

/** Min(x, caps): a constant of one number, or of one a channel in the shape [1, C, 1, 1] or [C, 1, 1]. */
function capsOf(lowering: Lowering, node: Node): Bounds | undefined {
  const constant = node.inputs.length === 2 ? lowering.constant(inputName(node, 1)) : undefined;
  const value = lowering.shapeOf(node.outputs[0] ?? '');
  if (!constant || constant.shape.length > value.length || value.length !== 4) return undefined;
  const caps = numbersOf(constant);
  if (caps.some(Number.isNaN)) return undefined;
  if (caps.length === 1) return { min: -Infinity, max: caps[0] ?? Infinity };
  const [channels, ...pixel] = constant.shape.slice(-3);
  if (channels !== value[1] || caps.length !== channels || pixel.some((dim) => dim !== 1)) return undefined;
  return { ...unbounded, caps };
}

/** Clip after Clip: the later limits bind the earlier result, and its caps. */
export function within(earlier: Bounds, later: Bounds): Bounds {
  const bind = (value: number): number => Math.min(Math.max(value, later.min), later.max);
  const bounds = { min: bind(earlier.min), max: bind(earlier.max) };
  const caps =
    earlier.caps?.map((cap, channel) => Math.min(bind(cap), later.caps?.[channel] ?? Infinity)) ?? later.caps;
  return caps ? { ...bounds, caps } : bounds;
}

/** The caps as bytes. */
export function capBytes(caps: readonly number[], params: Params): Uint8Array {
  return Uint8Array.from(caps, (cap) => quantizeByte(cap, params));
}

/** Rounding is monotone, so clamping the rounded value to the rounded bounds equals rounding the clamped value. */
export function clampOf({ min, max }: Bounds, params: Params): Clamp {
  const qmax = max === Infinity ? 255 : quantizeByte(max, params);
  const qmin = min === -Infinity ? 0 : Math.min(quantizeByte(min, params), qmax);
  return { qmin, qmax };
}

/** A node with the activations after it that nothing else reads: what one requantization can do. */
export interface Peeled {
  readonly node: Node;
  readonly outputIndex: number;
  readonly bounds: Bounds;
}

/** Walks from `value` back over activations that can be fused into their producer. */
export function peelActivations(lowering: Lowering, value: string): Peeled | undefined {
  let current = value;
  let bounds = unbounded;
  for (;;) {
    const origin = lowering.origin(current);
    if (!origin) return undefined;
    const activation = boundsOf(lowering, origin.node);
    const input = inputName(origin.node, 0);
    if (!activation || lowering.consumers(input).length !== 1 || lowering.graph.outputs.includes(input))
      return { ...origin, bounds };
    bounds = within(activation, bounds);
    current = input;
  }
}
