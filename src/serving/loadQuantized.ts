import { AppError, present } from '../base/index.ts';
import { compile, tiers, type Executable, type Tier } from '../engine/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { goldenHash } from '../lab/index.ts';
import { readModel } from '../onnx/index.ts';
import { importModel, lowerQdq } from '../transform/index.ts';

export interface Loaded {
  readonly executable: Executable;
  /** Tiers above the executable's whose output was not the reference's. */
  readonly mismatchedTiers: readonly Tier[];
}

export interface LoadOptions {
  /** No faster tier than this. */
  readonly tier: Tier | undefined;
  /** Hash of the reference kernels' golden output, where it is known. */
  readonly golden: string | undefined;
  /** Substitutes the engine's, for tests of tiers that err. */
  readonly compile?: typeof compile;
}

/**
 * A QDQ file as an executable on the fastest tier that gives the golden bits.
 *
 * @throws AppError VERSION_UNAVAILABLE when even the reference kernels give other bits than those stored with the version
 */
export async function loadQuantized(bytes: Uint8Array, options: LoadOptions): Promise<Loaded> {
  const graph = lowerQdq(importModel(readModel(bytes)));
  const mismatchedTiers: Tier[] = [];
  const compileFor = options.compile ?? compile;
  for (let asked = options.tier; ; asked = slowerThan(present(mismatchedTiers.at(-1), 'a tier that failed'))) {
    const executable = compileFor(graph, { tier: asked });
    // Also the warm-up: V8 compiles the module's functions at their first call.
    if (checkGolden(executable, graph, options.golden)) return { executable, mismatchedTiers };
    executable.close();
    mismatchedTiers.push(executable.tier);
    if (executable.tier === 'reference') break;
  }
  throw new AppError(
    'VERSION_UNAVAILABLE',
    'The stored golden output of this version is not what its kernels compute; the file or the host is damaged.',
    { mismatchedTiers },
  );
}

function checkGolden(executable: Executable, graph: QuantizedGraph, golden: string | undefined): boolean {
  const hash = goldenHash(graph, (feeds) => executable.run(feeds));
  return golden === undefined || hash === golden;
}

function slowerThan(tier: Tier): Tier {
  return present(tiers[tiers.indexOf(tier) - 1], `a tier below ${tier}`);
}
