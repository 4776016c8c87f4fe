import { present } from '../../base/index.ts';
import type { Recipe } from '../../quant/index.ts';
import { spread, type Job } from '../job.ts';
import { checkRecipe } from '../recipe.ts';
import type { QuantizedNetwork } from '../quantizeNetwork.ts';
import { settleRecipe } from '../settleRecipe.ts';
import { describeSelection } from '../samples.ts';
import { readChoosingSamples, readSpecimen, type ChoosingBatch } from './choosingSamples.ts';
import { reportFigures } from './figures.ts';
import { growFloatLayers, showFloatLayers } from './floatLayers.ts';
import { SearchLimits } from './limits.ts';
import { chooseBest, paretoFront, withinBudget } from './ranking.ts';
import type { SearchReport } from './searchReport.ts';
import {
  measureSensitivity,
  mostSensitiveFirst,
  quantizedLayers,
  reportSensitivity,
  withCause,
  type Sensitivity,
} from './sensitivity.ts';
import { measureVariants, shortList } from './shortList.ts';
import { tryFloatWhereFaster } from './slowLayers.ts';
import { variantsOf, withoutRelu6, type Variant } from './variants.ts';
import { Workbench, type Candidate } from './workbench.ts';

/** What a search prefers, before it is proved. */
export interface SearchResult {
  /** Index of the preferred candidate; 0 is the given recipe. */
  readonly best: number;
  /** What the given recipe makes: it was measured as it is, so it need not be made again. */
  readonly given: QuantizedNetwork;
  readonly report: Omit<SearchReport, 'chosen' | 'proof' | 'prevented'>;
}

/** Samples of the cheap figures. */
const FEW_SAMPLES = { onnxruntime: 32, reference: 4 } as const;
/** Share of the time that the cheap figures may take: of single layers, and of single changes. */
const CHEAP_SHARE = 0.2;
/** The worst layers are told what of them costs most. */
const EXPLAINED = 3;

/** The recipe as it is, without its search. */
export function withoutSearch(recipe: Recipe): Recipe {
  const plain = { ...recipe };
  delete plain.search;
  return plain;
}

/**
 * Looks for the recipe that is fastest within the accuracy budget, or the most accurate where none is within it:
 *
 *   1. the given recipe, measured to its end whatever the time
 *   2. each layer quantized alone: how much it costs
 *   3. single changes in the order of a cheap figure, then the winners together
 *   4. layers left float: those that int8 does not make faster, and where the budget is not met the most sensitive ones
 *
 * Everything is chosen on samples that neither calibrate nor prove. The time limit and `finish` end it with the best so far.
 *
 * @throws AppError CANCELLED once the job's signal fires
 */
export async function searchRecipe(job: Job): Promise<SearchResult> {
  return new RecipeSearch(job).run();
}

class RecipeSearch {
  readonly #job: Job;
  readonly #recipe: Recipe;
  readonly #limits: SearchLimits;
  readonly #layers: Sensitivity[] = [];
  #done = 0;
  #total = 1;

  constructor(job: Job) {
    const { recipe, signal, finish } = job.options;
    const { seconds, candidates } = present(recipe.search, 'recipe.search');
    this.#recipe = withoutSearch(recipe);
    this.#job = job;
    this.#limits = new SearchLimits({ seconds, candidates, signal, finish });
  }

  async run(): Promise<SearchResult> {
    const selection = present(this.#job.plan.selection, 'samples that choose');
    this.#job.clock.enter('search', 1);
    const batches = await readChoosingSamples(this.#job, selection);
    const count = FEW_SAMPLES[this.#job.options.executor.name];
    const few = await readChoosingSamples(this.#job, { ...selection, indices: spread(selection.indices, count) });
    const specimen = await readSpecimen(this.#job, selection);
    const bench = new Workbench(this.#job, {
      batches,
      specimen,
      limits: this.#limits,
      onMeasured: () => this.#advance(),
    });
    try {
      await bench.measure('given recipe', this.#recipe);
      await this.#limits.within(() => this.#measureLayers(bench, few));
      await this.#limits.within(() => this.#measureVariants(bench, few));
      await this.#limits.within(() => tryFloatWhereFaster(bench, this.#best(bench), specimen));
      await this.#limits.within(() => this.#growFloatLayers(bench));
      this.#job.clock.at(this.#done, this.#done);
      return this.#result(bench);
    } finally {
      bench.close();
    }
  }

  #plan(steps: number): void {
    this.#total += steps;
  }

  /** Whether the share of cheap figures that begins now is over. */
  #cheapShare(): () => boolean {
    const { seconds } = present(this.#job.options.recipe.search, 'recipe.search');
    const until = this.#limits.spentSeconds + CHEAP_SHARE * seconds;
    return () => this.#limits.spentSeconds > until;
  }

  #advance(): void {
    this.#done++;
    this.#total = Math.max(this.#total, this.#done);
    this.#job.clock.at(this.#done, this.#total);
  }

  async #measureLayers(bench: Workbench, few: readonly ChoosingBatch[]): Promise<void> {
    const job = bench.jobOf(this.#recipe);
    const { ranges } = await bench.calibrations.rangesOf(job);
    const measurement = { ranges, samples: few, check: () => this.#limits.check() };
    this.#plan(quantizedLayers(job.network.prepared, this.#recipe).length);
    await measureSensitivity(job, {
      ...measurement,
      isEnough: this.#cheapShare(),
      onMeasured: (layer) => {
        this.#layers.push(layer);
        this.#advance();
      },
    });
    for (const layer of mostSensitiveFirst(this.#layers).slice(0, EXPLAINED))
      this.#layers[this.#layers.indexOf(layer)] = await withCause(job, layer, measurement);
  }

  async #measureVariants(bench: Workbench, few: readonly ChoosingBatch[]): Promise<void> {
    const { options, network } = this.#job;
    const means = {
      calibrationSamples: options.calibration !== undefined,
      statistics: network.statistics.size > 0,
      uncapped: await this.#isUncappedHarmless(bench),
    };
    const variants = variantsOf(this.#recipe, means).filter((variant) => this.#isPossible(variant));
    const short = await shortList(bench, this.#recipe, { variants, few, isEnough: this.#cheapShare() });
    this.#plan(short.length);
    await measureVariants(bench, this.#recipe, short);
  }

  /** Networks without Relu6 have nothing to give up. */
  async #isUncappedHarmless(bench: Workbench): Promise<boolean> {
    if (!this.#job.network.simplified.nodes.some(({ opType }) => opType === 'Clip')) return false;
    const equalization = { ...withoutRelu6, relu6: 'auto' } as const;
    const settled = await settleRecipe(bench.jobOf({ ...this.#recipe, equalization }));
    return typeof settled.equalization === 'object' && settled.equalization.relu6 === 'relu';
  }

  #isPossible(variant: Variant): boolean {
    try {
      checkRecipe(variant.apply(this.#recipe), this.#job.options.calibration);
      return true;
    } catch {
      return false;
    }
  }

  async #growFloatLayers(bench: Workbench): Promise<void> {
    const budget = this.#recipe.accuracyBudget;
    const layers = mostSensitiveFirst(this.#layers).map(({ name }) => name);
    const start = this.#best(bench);
    if (withinBudget(start.figures, budget)) await showFloatLayers(bench, start, layers);
    else await growFloatLayers(bench, start, { layers, budget });
  }

  #best({ candidates }: Workbench): Candidate {
    return present(candidates[chooseBest(candidates, this.#recipe.accuracyBudget)], 'a candidate');
  }

  #result({ candidates, given }: Workbench): SearchResult {
    const { plan, options } = this.#job;
    const budget = this.#recipe.accuracyBudget;
    const front = paretoFront(candidates);
    const { samples, labelled, sha256 } = describeSelection(present(plan.selection, 'samples that choose'));
    return {
      best: chooseBest(candidates, budget),
      given: given.network,
      report: {
        seconds: present(options.recipe.search, 'recipe.search').seconds,
        spentSeconds: Math.round(this.#limits.spentSeconds * 1_000) / 1_000,
        ended: this.#limits.ended,
        selection: { samples, labelled, sha256 },
        candidates: candidates.map(({ title, recipe, figures, p50Ms, int8Bytes, floatLayers }, index) => ({
          title,
          recipe,
          ...reportFigures(figures),
          withinBudget: withinBudget(figures, budget),
          p50Ms,
          int8Bytes,
          floatLayers,
          pareto: front[index] === true,
        })),
        sensitivity: mostSensitiveFirst(this.#layers).map(reportSensitivity),
      },
    };
  }
}
