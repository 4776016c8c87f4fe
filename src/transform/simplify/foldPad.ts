import { numbersAttribute, stringAttribute, type Graph, type Node } from '../../graph/index.ts';
import { GraphEditor } from './editor.ts';

/** A Pad with zeros of height and width that feeds one Conv becomes that Conv's own padding. */
export function foldPad(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const node of editor.nodes()) {
    const conv = node.opType === 'Pad' && node.domain === '' ? editor.soleConsumer(node.outputs[0] ?? '') : undefined;
    if (conv?.opType !== 'Conv' || conv.domain !== '' || conv.inputs[0] !== node.outputs[0]) continue;
    const pads = spatialZeroPads(editor, node);
    if (!pads) continue;
    const own = numbersAttribute(conv, 'pads', [0, 0, 0, 0]);
    const sum = own.map((by, side) => by + (pads[side] ?? 0));
    const attributes = new Map([...conv.attributes, ['pads', sum] as const]);
    editor.remove(node);
    editor.replace(conv, { ...conv, inputs: [node.inputs[0] ?? '', ...conv.inputs.slice(1)], attributes });
  }
  return editor.finish();
}

/** top, left, bottom, right of a Pad that adds zeros to height and width alone. */
function spatialZeroPads(editor: GraphEditor, node: Node): readonly number[] | undefined {
  if (stringAttribute(node, 'mode', 'constant') !== 'constant') return undefined;
  const fill = node.inputs[2] ?? '';
  if (fill !== '' && editor.constant(fill)?.data[0] !== 0) return undefined;
  const pads = Array.from<number | bigint, number>(editor.constant(node.inputs[1])?.data ?? [], Number);
  if (pads.length !== 8 || pads.some((by, index) => by < 0 || (index % 4 < 2 && by !== 0))) return undefined;
  return [pads[2] ?? 0, pads[3] ?? 0, pads[6] ?? 0, pads[7] ?? 0];
}
