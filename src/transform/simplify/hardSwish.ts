import { numberAttribute, type Graph, type Node } from '../../graph/index.ts';
import { GraphEditor } from './editor.ts';

/**
 * Finds HardSigmoid and HardSwish where exporters wrote them out (operator sets before 14 have no HardSwish):
 *
 *   clip(x + 3, 0, 6) / 6      → HardSigmoid(x, alpha 1/6, beta 1/2)
 *   x · HardSigmoid(x)         → HardSwish(x)
 *   x · clip(x + 3, 0, 6) / 6  → HardSwish(x)
 *
 * One function of one value is one table of 256 bytes in int8. Source: arXiv:1905.02244 §5.2.
 */
export function recognizeHardSwish(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const original of editor.nodes()) {
    const node = editor.current(original);
    if (!node || node.domain !== '') continue;
    if (node.opType === 'Mul') fromGate(editor, node);
    const scaled = sixth(editor, editor.current(node));
    if (scaled !== undefined) fromSixth(editor, node, scaled);
  }
  return editor.finish();
}

/** The one number that a constant operand of a binary node holds, and the other operand. */
function withNumber(editor: GraphEditor, node: Node): { value: string; number: number } | undefined {
  const [left = '', right = ''] = node.inputs;
  for (const [value, name] of [
    [left, right],
    [right, left],
  ] as const) {
    const constant = editor.constant(name);
    if (constant?.dtype !== 'float32' || constant.data.length !== 1) continue;
    // A constant of higher rank would widen the value.
    if (constant.shape.length > (editor.type(value)?.shape.length ?? 0)) continue;
    return { value, number: constant.data[0] ?? 0 };
  }
  return undefined;
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.abs(b);

/** v where the node is v / 6. */
function sixth(editor: GraphEditor, node: Node | undefined): string | undefined {
  if (node?.opType !== 'Div' && node?.opType !== 'Mul') return undefined;
  const found = withNumber(editor, node);
  if (!found || (node.opType === 'Div' && found.value !== node.inputs[0])) return undefined;
  return near(found.number, node.opType === 'Div' ? 6 : 1 / 6) ? found.value : undefined;
}

/** x where the value is clip(x + 3, 0, 6), read by one node alone. */
function clippedSum(editor: GraphEditor, value: string): string | undefined {
  const clip = editor.producer(value);
  if (clip?.opType !== 'Clip' || !editor.soleConsumer(value)) return undefined;
  const [sum = '', low, high] = clip.inputs;
  if (editor.constant(low)?.data[0] !== 0 || editor.constant(high)?.data[0] !== 6) return undefined;
  const add = editor.producer(sum);
  const found = add?.opType === 'Add' && editor.soleConsumer(sum) ? withNumber(editor, add) : undefined;
  return found?.number === 3 ? found.value : undefined;
}

function fromSixth(editor: GraphEditor, node: Node, value: string): void {
  const gated = clippedSum(editor, value);
  if (gated !== undefined) {
    const attributes = new Map([
      ['alpha', Math.fround(1 / 6)],
      ['beta', 0.5],
    ]);
    const hardSigmoid = editor.replace(node, { ...node, opType: 'HardSigmoid', inputs: [gated], attributes });
    const next = editor.soleConsumer(hardSigmoid.outputs[0] ?? '');
    if (next?.opType === 'Mul') fromGate(editor, next);
    return;
  }
  const product = editor.producer(value);
  if (product?.opType !== 'Mul' || !editor.soleConsumer(value)) return;
  const [left = '', right = ''] = product.inputs;
  const x = clippedSum(editor, right) === left ? left : clippedSum(editor, left) === right ? right : undefined;
  if (x !== undefined) writeHardSwish(editor, node, x);
}

/** Mul(x, HardSigmoid(x)). */
function fromGate(editor: GraphEditor, node: Node): void {
  const [left = '', right = ''] = node.inputs;
  for (const [x, gateValue] of [
    [left, right],
    [right, left],
  ] as const) {
    const gate = editor.producer(gateValue);
    if (gate?.opType !== 'HardSigmoid' || gate.inputs[0] !== x || !editor.soleConsumer(gateValue)) continue;
    if (!near(numberAttribute(gate, 'alpha', 0.2), 1 / 6) || numberAttribute(gate, 'beta', 0.5) !== 0.5) continue;
    writeHardSwish(editor, node, x);
    return;
  }
}

function writeHardSwish(editor: GraphEditor, node: Node, x: string): void {
  editor.replace(node, { ...node, opType: 'HardSwish', inputs: [x], attributes: new Map() });
}
