import type { Graph, Node } from '../../graph/index.ts';
import { tensor } from '../../tensor/index.ts';
import { GraphEditor } from './editor.ts';

/** y = min(max(x, low), high). */
interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** Relu and Clip with constant bounds (also Max or Min with one number) as bounds; undefined for anything else. */
function boundsOf(editor: GraphEditor, node: Node): Bounds | undefined {
  if (node.domain !== '') return undefined;
  if (node.opType === 'Relu') return { low: 0, high: Infinity };
  if (node.opType === 'Clip') {
    const low = bound(editor, node.inputs[1], -Infinity);
    const high = bound(editor, node.inputs[2], Infinity);
    return low === undefined || high === undefined ? undefined : { low, high };
  }
  if ((node.opType !== 'Max' && node.opType !== 'Min') || node.inputs.length !== 2) return undefined;
  const limit = bound(editor, node.inputs[1], undefined);
  if (limit === undefined || editor.constant(node.inputs[1])?.shape.length !== 0) return undefined;
  return node.opType === 'Max' ? { low: limit, high: Infinity } : { low: -Infinity, high: limit };
}

/** A constant float32 bound; float32's own ends are no bounds. */
function bound(editor: GraphEditor, name: string | undefined, absent: number | undefined): number | undefined {
  if (name === undefined || name === '') return absent;
  const constant = editor.constant(name);
  if (constant?.dtype !== 'float32' || constant.data.length !== 1) return undefined;
  const value = constant.data[0] ?? 0;
  const largest = 3.4028234663852886e38;
  return value >= largest ? Infinity : value <= -largest ? -Infinity : value;
}

/**
 * One form for clamping activations: Clip from 0 up is Relu, Clip without bounds vanishes, one clamp after another
 * becomes one with the bounds of both.
 */
export function normalizeActivations(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const original of editor.nodes()) {
    let node = editor.current(original);
    if (!node) continue;
    let bounds = boundsOf(editor, node);
    if (!bounds || bounds.low > bounds.high) continue;
    for (;;) {
      const next: Node | undefined = editor.soleConsumer(node.outputs[0] ?? '');
      const following = next && boundsOf(editor, next);
      if (!following || following.low > following.high || next.inputs[0] !== node.outputs[0]) break;
      const clamp = (value: number): number => Math.min(Math.max(value, following.low), following.high);
      bounds = { low: clamp(bounds.low), high: clamp(bounds.high) };
      editor.remove(next);
      node = editor.replace(node, { ...node, outputs: next.outputs });
    }
    writeBounds(editor, node, bounds);
  }
  return editor.finish();
}

function writeBounds(editor: GraphEditor, node: Node, { low, high }: Bounds): void {
  const [input = '', lowName = '', highName = ''] = node.inputs;
  if (low === -Infinity && high === Infinity) {
    if (!editor.isOutput(node.outputs[0] ?? '')) editor.bypass(node);
    return;
  }
  if (low === 0 && high === Infinity) {
    if (node.opType !== 'Relu')
      editor.replace(node, { ...node, opType: 'Relu', inputs: [input], attributes: new Map() });
    return;
  }
  const isClip = node.opType === 'Clip';
  const keep = (name: string, value: number): string => {
    if (!Number.isFinite(value)) return '';
    const present = isClip ? editor.constant(name) : undefined;
    if (present?.data[0] === value) return name;
    return editor.writeConstant(
      node,
      isClip ? name : `${node.name}.bound`,
      tensor('float32', [], Float32Array.of(value)),
    );
  };
  const inputs = [input, keep(lowName, low), keep(highName, high)];
  if (inputs[2] === '') inputs.pop();
  editor.replace(node, { ...node, opType: 'Clip', inputs, attributes: new Map() });
}
