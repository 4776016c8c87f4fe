import type { Graph, Node } from '../../graph/index.ts';
import { GraphEditor } from './editor.ts';

/** MatMul of a matrix with constant weights becomes Gemm, which has a place for the Add of a bias that follows. */
export function matMulToGemm(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const node of editor.nodes()) {
    if (node.opType !== 'MatMul' || node.domain !== '') continue;
    const weight = editor.constant(node.inputs[1]);
    if (weight?.dtype !== 'float32' || weight.shape.length !== 2) continue;
    if (editor.type(node.inputs[0])?.shape.length === 2) editor.replace(node, gemm(node));
  }
  return editor.finish();
}

function gemm(node: Node): Node {
  const attributes = new Map([
    ['alpha', 1],
    ['beta', 1],
    ['transA', 0],
    ['transB', 0],
  ]);
  return { ...node, opType: 'Gemm', attributes };
}
