/** One side of a comparison: `run` does one inference of a whole batch. */
export interface Contestant {
  readonly name: string;
  run(): unknown;
}

export interface Timing {
  readonly medianMs: number;
  /** First and third quartile. */
  readonly lowMs: number;
  readonly highMs: number;
  readonly runs: number;
}

export interface RaceOptions {
  /** Measuring time for each contestant, warm-up not counted. */
  readonly budgetMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRound?: ((done: number, total: number) => void) | undefined;
}

/** A contestant's turn in a round: long enough that the first, cache-cold run can be left out. */
const turnMs = 40;
const warmupMs = 300;
const leastWarmups = 3;
const leastRuns = 5;

/**
 * Times contestants side by side: in each round each has one turn, in an order that rotates, so that a slower or a
 * busier minute of the machine strikes all alike. The first run of a turn is not counted.
 */
export async function race(contestants: readonly Contestant[], options: RaceOptions): Promise<Map<string, Timing>> {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  const expectedMs = new Map<string, number>();
  for (const contestant of contestants) expectedMs.set(contestant.name, await warmUp(contestant, options.signal));
  const rounds = Math.max(3, Math.ceil(options.budgetMs / turnMs));
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < contestants.length; place++) {
      options.signal?.throwIfAborted();
      const contestant = contestants[(round + place) % contestants.length];
      if (!contestant) continue;
      const times = samples.get(contestant.name) ?? [];
      const expected = expectedMs.get(contestant.name) ?? 1;
      // Slow contestants sit out rounds once they have used up their share of the time.
      if (times.length >= leastRuns && times.length * expected > options.budgetMs) continue;
      await turn(contestant, Math.max(2, Math.ceil(turnMs / expected)), times);
    }
    options.onRound?.(round + 1, rounds);
  }
  return new Map([...samples].map(([name, times]) => [name, summarize(times)]));
}

async function turn(contestant: Contestant, runs: number, times: number[]): Promise<void> {
  for (let run = 0; run < runs; run++) {
    const began = performance.now();
    await contestant.run();
    if (run > 0) times.push(performance.now() - began);
  }
}

/** @returns milliseconds of the fastest warm-up run */
async function warmUp(contestant: Contestant, signal: AbortSignal | undefined): Promise<number> {
  const began = performance.now();
  let fastest = Infinity;
  for (let run = 0; run < leastWarmups || performance.now() - began < warmupMs; run++) {
    signal?.throwIfAborted();
    const start = performance.now();
    await contestant.run();
    fastest = Math.min(fastest, performance.now() - start);
  }
  return Math.max(fastest, 1e-3);
}

export function summarize(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { medianMs: at(0.5), lowMs: at(0.25), highMs: at(0.75), runs: sorted.length };
}
