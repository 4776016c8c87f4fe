import type { NodeTiming } from '../../engine/index.ts';
import type { TensorMap } from '../../tensor/index.ts';
import { isClearlyFaster } from './ranking.ts';
import { quantizedLayers, withFloatLayers } from './sensitivity.ts';
import type { Candidate, Workbench } from './workbench.ts';

const PROFILES = 20;

/**
 * Tries to leave those layers float that int8 does not make faster on this machine, by the profile of both forms. Layers whose
 * float form has no generated kernel are left out: the plain loops are no rival.
 */
export async function tryFloatWhereFaster(bench: Workbench, start: Candidate, specimen: TensorMap): Promise<void> {
  if (bench.given.executable.tier === 'reference') return;
  const job = bench.jobOf(start.recipe);
  const layers = quantizedLayers(job.network.prepared, start.recipe);
  const times = await timesOf(bench, start, { floatLayers: [], specimen });
  const floatTimes = await timesOf(bench, start, { floatLayers: layers, specimen });
  const faster = layers.filter((name) => {
    const [int8, float] = [times.get(name), floatTimes.get(name)];
    return int8 !== undefined && float !== undefined && !isPlain(float.kernel) && isClearlyFaster(float.ms, int8.ms);
  });
  if (faster.length === 0) return;
  const title = `float where int8 is not faster (${faster.length})`;
  const isGiven = start === bench.candidates[0];
  await bench.measure(isGiven ? title : `${start.title} + ${title}`, withFloatLayers(start.recipe, faster));
}

function isPlain(kernel: string): boolean {
  return kernel.startsWith('reference');
}

/** Each node's least time of some inferences. */
async function timesOf(
  bench: Workbench,
  start: Candidate,
  { floatLayers, specimen }: { readonly floatLayers: readonly string[]; readonly specimen: TensorMap },
): Promise<ReadonlyMap<string, NodeTiming>> {
  const { executable } = await bench.build(withFloatLayers({ ...start.recipe, biasCorrection: 'none' }, floatLayers));
  try {
    const least = new Map<string, NodeTiming>();
    const plain = floatLayers.every((name) => isPlain(executable.kernels.get(name) ?? ''));
    if (plain && floatLayers.length > 0) return least;
    for (let run = 0; run < PROFILES; run++)
      for (const timing of executable.profile(specimen)) {
        const known = least.get(timing.name);
        if (known === undefined || timing.ms < known.ms) least.set(timing.name, timing);
      }
    return least;
  } finally {
    executable.close();
  }
}
