import { AppError } from '../base/index.ts';
import { compile, tierReport, tiers, type Executable, type Tier } from '../engine/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { goldenHash } from '../lab/index.ts';
import { readModel } from '../onnx/index.ts';
import { importModel, lowerQdq } from '../transform/index.ts';

export interface Loaded {
  readonly executable: Executable;
  /** Tiers above the executable's whose output was not the reference's. */
  readonly mismatchedTiers: readonly Tier[];
}

/**
 * A QDQ file as an executable on the fastest tier that gives the golden bits.
 *
 * @throws AppError VERSION_UNAVAILABLE when even the reference kernels give other bits than those stored with the version
 */
export async function loadQuantized(
  bytes: Uint8Array,
  options: { readonly tier: Tier | undefined; readonly golden: string | undefined },
): Promise<Loaded> {
  const graph = lowerQdq(importModel(readModel(bytes)));
  const mismatchedTiers: Tier[] = [];
  for (const tier of tiersFrom(options.tier ?? tierReport().tier)) {
    const executable = compile(graph, { tier });
    // Also the warm-up: V8 compiles the module's functions at their first call.
    if (checkGolden(executable, graph, options.golden)) return { executable, mismatchedTiers };
    executable.close();
    mismatchedTiers.push(tier);
  }
  throw new AppError(
    'VERSION_UNAVAILABLE',
    'The stored golden output of this version is not what its kernels compute; the file or the host is damaged.',
  );
}

function checkGolden(executable: Executable, graph: QuantizedGraph, golden: string | undefined): boolean {
  const hash = goldenHash(graph, (feeds) => executable.run(feeds));
  return golden === undefined || hash === golden;
}

/** The tier and all slower ones, fastest first. */
function tiersFrom(start: Tier): Tier[] {
  return tiers.slice(0, tiers.indexOf(start) + 1).reverse();
}
