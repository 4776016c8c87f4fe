import type { Tensor } from '../tensor/index.ts';
import { BATCH, type AttributeValue, type Graph, type ValueType } from './graph.ts';

/** Elements of a constant that are written out. */
const shownElements = 8;

/**
 * A graph as text, one line a value: `name dtype[shape] = OpType(inputs) {attributes}`. For golden files and messages;
 * equal graphs give equal text.
 */
export function formatGraph(graph: Graph): string {
  const typed = (name: string): string => `${name} ${formatType(graph.types.get(name))}`;
  const lines = graph.inputs.map((name) => `input ${typed(name)}`);
  for (const [name, value] of graph.constants) lines.push(`constant ${typed(name)} ${formatElements(value)}`);
  for (const node of graph.nodes) {
    const outputs = node.outputs.map((name) => (name === '' ? '_' : typed(name))).join(', ');
    const inputs = node.inputs.map((name) => (name === '' ? '_' : name)).join(', ');
    const opType = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    lines.push(`${outputs} = ${opType}(${inputs})${formatAttributes(node.attributes)} "${node.name}"`);
  }
  for (const name of graph.outputs) lines.push(`output ${typed(name)}`);
  return lines.join('\n');
}

function formatType(type: ValueType | undefined): string {
  if (!type) return '?';
  return `${type.dtype}[${type.shape.map((size) => (size === BATCH ? 'N' : size)).join(',')}]`;
}

function formatElements({ data }: Tensor): string {
  const shown = Array.from<number | bigint, string>(data.slice(0, shownElements), (element) =>
    typeof element === 'number' ? String(Number(element.toPrecision(6))) : String(element),
  );
  return `(${shown.join(' ')}${data.length > shownElements ? ' …' : ''})`;
}

function formatAttributes(attributes: ReadonlyMap<string, AttributeValue>): string {
  if (attributes.size === 0) return '';
  const entries = [...attributes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return ` {${entries.map(([name, value]) => `${name}: ${formatAttribute(value)}`).join(', ')}}`;
}

function formatAttribute(value: AttributeValue): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  if (typeof value === 'string') return value;
  return 'dtype' in value ? `${value.dtype}${formatElements(value)}` : `[${value.join(' ')}]`;
}
