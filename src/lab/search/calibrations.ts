import { planQuantization, type Ranges, type Recipe } from '../../quant/index.ts';
import type { Job } from '../job.ts';
import { findRanges } from '../quantizeNetwork.ts';

/**
 * Ranges of activations, observed once for all recipes that observe alike. Recipes that exclude more nodes quantize fewer
 * values, so they read the ranges of those that exclude fewer.
 */
export class Calibrations {
  readonly #known = new Map<string, Ranges>();

  async rangesOf(job: Job): Promise<Ranges> {
    const { recipe } = job.options;
    if (recipe.activations === 'none') return new Map();
    const groups = planQuantization(job.network.prepared, recipe).groups;
    const key = keyOf(recipe);
    const shared = this.#known.get(key);
    if (shared && groups.every(({ observed }) => observed.every((value) => shared.has(value)))) return shared;
    const ranges = new Map((await findRanges(job)).ranges);
    for (const { values, observed } of groups) {
      const found = observed.map((value) => ranges.get(value)).filter((range) => range !== undefined);
      const hull = {
        min: Math.min(0, ...found.map(({ min }) => min)),
        max: Math.max(0, ...found.map(({ max }) => max)),
      };
      for (const value of values) if (!ranges.has(value)) ranges.set(value, hull);
    }
    if (!shared) this.#known.set(key, ranges);
    return ranges;
  }
}

/** What decides the values and the observer; equalization makes other values of the same names. */
function keyOf({ activations, equalization, exclude }: Recipe): string {
  return JSON.stringify([activations, equalization ? exclude : 'as it is']);
}
