import { withinBudget } from './ranking.ts';
import { withFloatLayers } from './sensitivity.ts';
import type { Candidate, Workbench } from './workbench.ts';

/**
 * Leaves layers float until the budget is met: the most sensitive ones, twice as many each time, then by bisection the fewest
 * of them; then gives back, in halves and ever smaller parts, those that the budget can do without.
 *
 * @param layers  the most sensitive first
 */
export async function growFloatLayers(
  bench: Workbench,
  start: Candidate,
  { layers, budget }: { readonly layers: readonly string[]; readonly budget: number },
): Promise<void> {
  const holds = async (names: readonly string[]): Promise<boolean> =>
    withinBudget((await measureFloat(bench, start, names)).figures, budget);
  const count = await fewest(layers.length, (enough) => holds(layers.slice(0, enough)));
  if (count !== undefined) await giveBack(layers.slice(0, count), holds);
}

/** Float layers that a met budget does not ask for: what the most sensitive ones would give and cost. */
const SHOWN = [1, 2];

/** Measures the most sensitive layers left float, for the list of accuracy against latency. */
export async function showFloatLayers(bench: Workbench, start: Candidate, layers: readonly string[]): Promise<void> {
  for (const count of SHOWN) if (count <= layers.length) await measureFloat(bench, start, layers.slice(0, count));
}

/** Layers that a title names; more are counted. */
const NAMED = 3;

function measureFloat(bench: Workbench, start: Candidate, names: readonly string[]): Promise<Candidate> {
  const list = names.map((name) => `'${name}'`).join(', ');
  const title = names.length <= NAMED ? `${list} float` : `${names.length} layers float`;
  const isGiven = start === bench.candidates[0];
  return bench.measure(isGiven ? title : `${start.title} + ${title}`, withFloatLayers(start.recipe, names));
}

/** The least count up to `most` that holds, if it holds from some count on: doubling, then bisection. */
export async function fewest(most: number, holds: (count: number) => Promise<boolean>): Promise<number | undefined> {
  if (most === 0) return undefined;
  let [low, high] = [0, 1];
  while (!(await holds(Math.min(high, most)))) {
    if (high >= most) return undefined;
    [low, high] = [high, high * 2];
  }
  high = Math.min(high, most);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Removes parts of the list, the last items first, as long as what is left holds. */
export async function giveBack(
  items: readonly string[],
  holds: (left: readonly string[]) => Promise<boolean>,
): Promise<readonly string[]> {
  let left = items;
  for (let size = Math.floor(items.length / 2); size >= 1; size = Math.floor(size / 2))
    for (let end = left.length; end > 0 && left.length > 1; end -= size) {
      const fewer = left.filter((_, at) => at < end - size || at >= end);
      if (fewer.length < left.length && fewer.length > 0 && (await holds(fewer))) left = fewer;
    }
  return left;
}
