import type { Graph } from '../graph/index.ts';
import type { NodeRuns } from '../onnxruntime/index.ts';
import { planQuantization, type Recipe } from '../quant/index.ts';

/**
 * Times of a float network by the rows of a report: a row has its node's time and that of the activations fused into it,
 * under whatever name (of a node, or of a value) the executor gives it.
 *
 * @param float  the graph that was quantized, whose names those of the file are
 * @returns      milliseconds of each run, by node name
 */
export function timesByRow(
  profile: readonly NodeRuns[],
  float: Graph,
  recipe: Recipe,
): ReadonlyMap<string, readonly number[]> {
  const { fused } = planQuantization(float, recipe);
  const rows = new Map<string, string>();
  for (const node of float.nodes) {
    const row = (fused.get(node.name) ?? node).name;
    for (const name of [...node.outputs, node.name]) rows.set(name, row);
  }
  const times = new Map<string, readonly number[]>();
  for (const { name, runs } of profile) {
    const row = rows.get(name);
    if (row === undefined) continue;
    const known = times.get(row);
    times.set(row, known === undefined ? runs : runs.map((ms, i) => ms + (known[i] ?? 0)));
  }
  return times;
}
