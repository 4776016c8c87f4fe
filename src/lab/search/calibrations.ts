import { planQuantization, type ActivationGroup, type Ranges, type Recipe } from '../../quant/index.ts';
import type { Job } from '../job.ts';
import { findRanges, type FoundRanges } from '../quantizeNetwork.ts';

/**
 * Ranges of activations, observed once for all recipes that observe alike. Recipes that exclude more nodes quantize fewer
 * values, so they read the ranges of those that exclude fewer.
 */
export class Calibrations {
  readonly #known = new Map<string, FoundRanges>();

  async rangesOf(job: Job): Promise<FoundRanges> {
    const { recipe } = job.options;
    const { groups } = planQuantization(job.network.prepared, recipe);
    const key = keyOf(recipe);
    const shared = this.#known.get(key);
    if (shared && groups.every(({ observed }) => observed.every((value) => shared.ranges.has(value)))) return shared;
    const found = await findRanges(job);
    const known = { ...found, ranges: forAllMembers(groups, found.ranges) };
    if (!shared) this.#known.set(key, known);
    return known;
  }
}

/** With ranges for those members of a group too that were not observed: a recipe that excludes more may quantize one alone. */
function forAllMembers(groups: readonly ActivationGroup[], ranges: Ranges): Ranges {
  const all = new Map(ranges);
  for (const { values, observed } of groups) {
    const found = observed.map((value) => ranges.get(value)).filter((range) => range !== undefined);
    const hull = {
      min: Math.min(0, ...found.map(({ min }) => min)),
      max: Math.max(0, ...found.map(({ max }) => max)),
    };
    for (const value of values) if (!all.has(value)) all.set(value, hull);
  }
  return all;
}

/** What decides the values and the observer; equalization makes other values of the same names. */
function keyOf({ activations, equalization, exclude }: Recipe): string {
  return JSON.stringify([activations, equalization ? exclude : 'as it is']);
}
