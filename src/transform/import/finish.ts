import { AppError } from '../../base/index.ts';
import type { Graph, Node, ValueType } from '../../graph/index.ts';
import type { Tensor } from '../../tensor/index.ts';
import type { Importer } from './importer.ts';

/** Gives the graph outputs their own names back, drops what no output needs, and checks the weights. */
export function finishGraph(
  importer: Importer,
  names: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  about: Pick<Graph, 'name' | 'metadata' | 'producer' | 'opset'>,
): Graph {
  const renamed = nameOutputs(importer, names);
  const nodes = liveNodes(renamed.nodes, names.outputs);
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...names.outputs]);
  const constants = new Map([...renamed.constants].filter(([name]) => used.has(name)));
  checkFinite(constants);
  const values = new Set([...names.inputs, ...constants.keys(), ...nodes.flatMap(({ outputs }) => outputs)]);
  const types = new Map([...renamed.types].filter(([name]) => values.has(name)));
  return { ...about, inputs: names.inputs, outputs: names.outputs, nodes, constants, types };
}

interface Parts {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly types: Map<string, ValueType>;
}

/**
 * A graph output that is another value under a second name gives that value its name; where the value is an input, a
 * constant or itself an output, an Identity node stays.
 *
 * @throws AppError MODEL_OUT_OF_SCOPE for an output that is an input by its very name, so that no node can make it
 */
function nameOutputs(importer: Importer, names: { inputs: readonly string[]; outputs: readonly string[] }): Parts {
  const made = new Set(importer.nodes.flatMap(({ outputs }) => outputs));
  const outputs = new Set(names.outputs);
  const renames = new Map<string, string>();
  const copies: Node[] = [];
  const types = new Map(importer.types);
  for (const output of names.outputs) {
    const target = importer.resolve(output);
    const type = importer.types.get(target);
    if (!type)
      throw new AppError('MODEL_INVALID', `The graph output '${output}' depends on the size of the batch alone.`);
    if (target === output && made.has(output)) continue;
    if (names.inputs.includes(output))
      throw new AppError(
        'MODEL_OUT_OF_SCOPE',
        `The graph output '${output}' is a graph input; only values that nodes make can be returned.`,
        { output },
      );
    types.set(output, type);
    if (target !== output && made.has(target) && !outputs.has(target) && !renames.has(target))
      renames.set(target, output);
    else if (target !== output || !importer.constants.has(output))
      copies.push(copyNode(importer.uniqueName(`Identity:${output}`), target, output));
    else {
      // The output is a constant: it moves to another name, and a node gives it back.
      const moved = importer.uniqueName(`${output}.constant`);
      renames.set(output, moved);
      types.set(moved, type);
      copies.push(copyNode(importer.uniqueName(`Identity:${output}`), output, output));
    }
  }
  const rename = (name: string): string => renames.get(name) ?? name;
  const nodes = importer.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  const constants = new Map([...importer.constants].map(([name, value]): [string, Tensor] => [rename(name), value]));
  return {
    nodes: [...nodes, ...copies.map((copy) => ({ ...copy, inputs: copy.inputs.map(rename) }))],
    constants,
    types,
  };
}

function copyNode(name: string, from: string, to: string): Node {
  return { name, opType: 'Identity', domain: '', inputs: [from], outputs: [to], attributes: new Map() };
}

function liveNodes(nodes: readonly Node[], outputs: readonly string[]): readonly Node[] {
  const needed = new Set(outputs);
  const live = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return live.reverse();
}

/** Single numbers may be infinite: they are bounds of Clip, or the fill of Pad. */
function checkFinite(constants: ReadonlyMap<string, Tensor>): void {
  for (const [name, { dtype, shape, data }] of constants) {
    if ((dtype !== 'float32' && dtype !== 'float64') || shape.length === 0) continue;
    const at = indexOfNonFinite(data as Float32Array);
    if (at >= 0)
      throw new AppError(
        'MODEL_NOT_FINITE',
        `Weights '${name}' hold ${String(data[at])} at element ${at}; weights must be finite.`,
        { value: name, element: at },
      );
  }
}

/** A plain loop: weights are the largest thing in a file. */
function indexOfNonFinite(data: Float32Array): number {
  for (let index = 0; index < data.length; index++) if (!Number.isFinite(data[index])) return index;
  return -1;
}
