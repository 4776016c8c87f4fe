import { stringAttribute } from '../../graph/index.ts';
import { rowMajorStrides } from '../../tensor/index.ts';
import { broadcastIndices, broadcastShape } from '../broadcast.ts';
import { integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { invalid } from '../spatial.ts';
import { gatherElements, productIndices } from './indices.ts';

export const expand: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const shape = broadcastShape(node, [x.shape, integersOf(requiredInput(node, inputs, 1))]);
  return [gatherElements(x, shape, broadcastIndices(x.shape, shape))];
};

export const tile: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const repeats = integersOf(requiredInput(node, inputs, 1));
  const shape = x.shape.map((dim, d) => dim * (repeats[d] ?? 1));
  const sources = shape.map((dim, d) => Int32Array.from({ length: dim }, (_, at) => at % (x.shape[d] ?? 1)));
  return [gatherElements(x, shape, productIndices(shape, sources, rowMajorStrides(x.shape)))];
};

/** Inputs: data, pads, value (0), axes (all). Modes constant, edge, reflect, wrap; negative pads cut. */
export const pad: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const pads = integersOf(requiredInput(node, inputs, 1));
  const rank = x.shape.length;
  const axes = inputs[3]
    ? integersOf(inputs[3]).map((axis) => resolveAxis(node, axis, rank))
    : x.shape.map((_, d) => d);
  const begins = x.shape.map((_, d) => (axes.includes(d) ? (pads[axes.indexOf(d)] ?? 0) : 0));
  const ends = x.shape.map((_, d) => (axes.includes(d) ? (pads[axes.indexOf(d) + axes.length] ?? 0) : 0));
  const fill = Number(inputs[2]?.data[0] ?? 0);
  const mode = stringAttribute(node, 'mode', 'constant');
  const shape = x.shape.map((dim, d) => dim + begins[d]! + ends[d]!);
  if (shape.some((dim) => dim < 0)) throw invalid(node, `pads [${x.shape.join(', ')}] to [${shape.join(', ')}]`);
  const sources = shape.map((dim, d) =>
    Int32Array.from({ length: dim }, (_, at) => paddedSource(at - begins[d]!, x.shape[d]!, mode)),
  );
  return [gatherElements(x, shape, productIndices(shape, sources, rowMajorStrides(x.shape)), fill)];
};

function paddedSource(at: number, size: number, mode: string): number {
  if (at >= 0 && at < size) return at;
  if (mode === 'edge') return at < 0 ? 0 : size - 1;
  if (mode === 'wrap') return ((at % size) + size) % size;
  if (mode !== 'reflect') return -1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((at % period) + period) % period;
  return folded < size ? folded : period - folded;
}
