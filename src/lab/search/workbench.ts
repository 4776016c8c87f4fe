import { present } from '../../base/index.ts';
import { compile, type Executable } from '../../engine/index.ts';
import { readModel } from '../../onnx/index.ts';
import { planQuantization, type Recipe } from '../../quant/index.ts';
import type { TensorMap } from '../../tensor/index.ts';
import { importModel, lowerQdq } from '../../transform/index.ts';
import { jobWith, type Job } from '../job.ts';
import { measureLatency } from '../latency.ts';
import { StageClock } from '../progress.ts';
import { quantizeNetwork, type QuantizedNetwork } from '../quantizeNetwork.ts';
import { executableRunner } from '../runner.ts';
import { Calibrations } from './calibrations.ts';
import type { ChoosingBatch } from './choosingSamples.ts';
import { measureFigures, type Figures } from './figures.ts';
import type { SearchLimits } from './limits.ts';
import type { Ranked } from './ranking.ts';

/** A recipe that was measured. */
export interface Candidate extends Ranked {
  readonly title: string;
  readonly recipe: Recipe;
  readonly floatLayers: number;
}

export interface WorkbenchOptions {
  readonly batches: readonly ChoosingBatch[];
  /** One sample to time. */
  readonly specimen: TensorMap;
  readonly limits: SearchLimits;
  readonly onMeasured: () => void;
}

/** What a recipe makes of the network. */
export interface BuiltNetwork {
  readonly executable: Executable;
  readonly network: QuantizedNetwork;
  readonly job: Job;
}

/** Time for the latency of one candidate; half of it is the given recipe's. */
const LATENCY_BUDGET_MS = 500;

/**
 * Makes networks of recipes and measures them on the engine. The first one measured is the given recipe: it is always
 * measured to its end, and others are timed in turns with it.
 */
export class Workbench {
  readonly candidates: Candidate[] = [];
  readonly calibrations = new Calibrations();
  readonly #job: Job;
  readonly #options: WorkbenchOptions;
  readonly #limits: SearchLimits;
  readonly #byRecipe = new Map<string, Candidate>();
  #given: Omit<BuiltNetwork, 'job'> | undefined;

  constructor(job: Job, options: WorkbenchOptions) {
    this.#job = job;
    this.#options = options;
    this.#limits = options.limits;
  }

  /** What the given recipe makes. */
  get given(): Omit<BuiltNetwork, 'job'> {
    return present(this.#given, 'the given recipe is measured first');
  }

  /** A job for one recipe that keeps its stages to itself and ends with the search. */
  jobOf(recipe: Recipe): Job {
    const { options } = this.#job;
    const signal = this.candidates.length === 0 ? options.signal : this.#limits.signal;
    const job = jobWith(this.#job, recipe);
    return { ...job, options: { ...job.options, signal }, clock: new StageClock(undefined, signal) };
  }

  /** Compiles what a recipe makes of the network. */
  async build(recipe: Recipe): Promise<BuiltNetwork> {
    const job = this.jobOf(recipe);
    const network = await quantizeNetwork(job, await this.calibrations.rangesOf(job));
    const { tier } = job.options;
    return {
      executable: compile(lowerQdq(importModel(readModel(network.onnx))), { tier }),
      network,
      job,
    };
  }

  /** Builds, evaluates and times a recipe; one that was measured before is not measured again. */
  async measure(title: string, recipe: Recipe): Promise<Candidate> {
    const key = JSON.stringify(recipe);
    const known = this.#byRecipe.get(key);
    if (known) return known;
    if (this.candidates.length > 0) this.#limits.check();
    const { executable, network, job } = await this.build(recipe);
    this.#given ??= { executable, network };
    try {
      const figures = await this.figures(executable, this.#options.batches);
      const p50Ms = await this.time(executable);
      const { prepared } = job.network;
      const all = planQuantization(prepared, { ...recipe, exclude: { nodes: [], opTypes: [] } }).layers.length;
      const floatLayers = all - planQuantization(prepared, recipe).layers.length;
      const candidate = { title, recipe, figures, p50Ms, int8Bytes: network.onnx.length, floatLayers };
      this.candidates.push(candidate);
      this.#byRecipe.set(key, candidate);
      this.#limits.count();
      this.#options.onMeasured();
      return candidate;
    } finally {
      if (executable !== this.given.executable) executable.close();
    }
  }

  figures(executable: Executable, batches: readonly ChoosingBatch[]): Promise<Figures> {
    const { network, clock } = this.#job;
    const check = (): void => (this.candidates.length === 0 ? clock.check() : this.#limits.check());
    return measureFigures(executableRunner(executable), batches, { classOutput: network.classOutput, check });
  }

  /**
   * Milliseconds of one inference, in turns with the given recipe, whose time of the first measurement is the unit: load that
   * comes and goes falls on both.
   */
  async time(executable: Executable): Promise<number> {
    const [given] = this.candidates;
    const runners = [...new Set([this.given.executable, executable])].map(executableRunner);
    const times = await measureLatency(runners, this.#options.specimen, { threads: 1, budgetMs: LATENCY_BUDGET_MS });
    const [own = 0, other = 0] = times.map(({ p50Ms }) => p50Ms);
    if (given === undefined) return own;
    return own > 0 ? Math.round(((given.p50Ms * other) / own) * 1_000) / 1_000 : other;
  }

  close(): void {
    this.#given?.executable.close();
  }
}
