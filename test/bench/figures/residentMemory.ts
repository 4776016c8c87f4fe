import { readFile } from 'node:fs/promises';
import { randomFeeds } from '../../../src/cli/bench/randomFeeds.ts';
import { openFloatExecutor } from '../../../src/cli/executors.ts';
import { digitsModelPath } from '../../../src/cli/sample/digits.ts';
import type { Graph } from '../../../src/graph/index.ts';
import { readModel } from '../../../src/onnx/index.ts';
import { calibrate, prepareGraph, recipeSchema } from '../../../src/quant/index.ts';
import { importModel, simplify } from '../../../src/transform/index.ts';

/*
 * Run as a program with `--expose-gc` and two counts: calibrates the digits network by KL on as many seeded samples as the
 * second says, and prints the resident memory in bytes, garbage collected, after each of the counts, and its peak as JSON.
 */

const batch = 4;
const [few = 0, many = 0] = process.argv.slice(2).map(Number);
const recipe = recipeSchema.parse({ activations: { calibrator: 'entropy' } });
const graph = prepareGraph(simplify(importModel(readModel(await readFile(digitsModelPath)))), recipe);
const resident = new Map<number, number>();

/** Asked for the next batch, it has seen the last one observed. */
async function* samples(of: Graph) {
  for (let done = 0; done < many;) {
    yield { feeds: randomFeeds(of, { batch, seed: done + 1 }) };
    done += batch;
    if (done !== few && done !== many) continue;
    globalThis.gc?.();
    resident.set(done, process.memoryUsage.rss());
  }
}

await calibrate({ graph, recipe, executor: await openFloatExecutor(), batches: samples(graph) });
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ few: resident.get(few), many: resident.get(many), peak }));
