import type { AttributeValue, Node } from '../../../graph/index.ts';
import type { Shape, Tensor } from '../../../tensor/index.ts';
import type { Known } from '../../shapes/index.ts';
import type { Value } from '../value.ts';

/** What the rewriting of a node may ask of the import. */
export interface Context {
  /** Version of ai.onnx that the file uses. */
  readonly opset: number;
  readonly probes: readonly number[];
  readonly fileBatch: number | undefined;
  readonly batchIsFree: boolean;
  value(name: string): Value | undefined;
  constant(node: Node, index: number): Tensor | undefined;
  known(node: Node, probe: number): (Known | undefined)[];
  makeConstant(node: Node, hint: string, value: Tensor): string;
  makeIntegers(node: Node, hint: string, values: readonly number[]): string;
  uniqueName(base: string): string;
  define(node: Node, tensors: readonly Tensor[]): void;
}

/** Brings a node of any supported version into canonical form; Identity nodes that it returns are dissolved. */
export type Canonicalizer = (node: Node, context: Context) => Node | readonly Node[];

export function withAttributes(node: Node, changes: Readonly<Record<string, AttributeValue | undefined>>): Node {
  const attributes = new Map(node.attributes);
  for (const [name, value] of Object.entries(changes))
    if (value === undefined) attributes.delete(name);
    else attributes.set(name, value);
  return { ...node, attributes };
}

/** The attributes named, and no others. */
export function onlyAttributes(node: Node, values: Readonly<Record<string, AttributeValue | undefined>>): Node {
  const given = Object.entries(values).filter((entry): entry is [string, AttributeValue] => entry[1] !== undefined);
  return { ...node, attributes: new Map(given) };
}

/** Absent inputs at the end are left out. */
export function withInputs(node: Node, inputs: readonly string[]): Node {
  const last = inputs.findLastIndex((name) => name !== '');
  return { ...node, inputs: inputs.slice(0, last + 1) };
}

/** The node as its first input under another name. */
export function identity(node: Node): Node {
  return {
    ...node,
    opType: 'Identity',
    domain: '',
    inputs: node.inputs.slice(0, 1),
    outputs: node.outputs.slice(0, 1),
    attributes: new Map(),
  };
}

export function hasInput(node: Node, index: number): boolean {
  return (node.inputs[index] ?? '') !== '';
}

export function hasOutput(node: Node, index: number): boolean {
  return (node.outputs[index] ?? '') !== '';
}

/** The input's shapes, one a probe. */
export function shapesOf(node: Node, index: number, context: Context): readonly Shape[] {
  return context.value(node.inputs[index] ?? '')?.shapes ?? [];
}

/** The rank of an input, the same for all probes. */
export function rankOf(node: Node, index: number, context: Context): number {
  return shapesOf(node, index, context)[0]?.length ?? 0;
}

/** Elements of an input as numbers, one list a probe; undefined where they depend on the data. */
export function listsOf(node: Node, index: number, context: Context): readonly (readonly number[])[] | undefined {
  return context
    .value(node.inputs[index] ?? '')
    ?.tensors?.map(({ data }) => Array.from<number | bigint, number>(data, Number));
}
