import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '../graph/index.ts';
import { writeModel } from '../onnx/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { exportModel } from '../transform/index.ts';
import { openOnnxFile } from './onnxFile.ts';

/** Times of one node as onnxruntime runs it, fused with others perhaps. */
export interface NodeRuns {
  /** Of the node, or of the value that it ends in where it was fused. */
  readonly name: string;
  /** Milliseconds of each run, to the microsecond. */
  readonly runs: readonly number[];
}

export interface ProfileOptions {
  readonly threads: number;
  /** Time to spend on inferences; at least two are made. */
  readonly budgetMs: number;
  readonly maxRuns: number;
}

/** Node times in one profile: each takes some 700 bytes of its file. */
const MAX_RECORDS = 8_000;

/**
 * Times the nodes of a float graph on onnxruntime. The first inference is not counted; nor is what onnxruntime adds, such
 * as changes of layout.
 */
export async function profileNodes(
  graph: Graph,
  feeds: TensorMap,
  { threads, budgetMs, maxRuns }: ProfileOptions,
): Promise<NodeRuns[]> {
  const folder = await mkdtemp(join(tmpdir(), 'octet-profile-'));
  try {
    const session = await openOnnxFile(writeModel(exportModel(graph)), { threads, profilePrefix: join(folder, 'run') });
    const most = Math.min(maxRuns, Math.ceil(MAX_RECORDS / Math.max(1, graph.nodes.length)));
    const start = performance.now();
    for (let run = 0; run <= most; run++) {
      if (run > 1 && performance.now() - start > budgetMs) break;
      await session.run(feeds);
    }
    await session.close();
    const [file] = await readdir(folder);
    return file === undefined ? [] : readProfile(await readFile(join(folder, file), 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A record of the profile, as far as it is looked at. */
interface ProfileRecord {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
}

const SUFFIX = '_kernel_time';

function readProfile(text: string): NodeRuns[] {
  const times = new Map<string, number[]>();
  for (const { cat, name, dur } of JSON.parse(text) as readonly ProfileRecord[]) {
    if (cat !== 'Node' || !name.endsWith(SUFFIX)) continue;
    // Nodes that were moved to the blocked layout are named after it.
    const node = name.slice(0, -SUFFIX.length).replace(/_nchwc$/, '');
    const runs = times.get(node) ?? [];
    times.set(node, runs);
    runs.push(dur / 1_000);
  }
  return [...times].map(([name, [, ...runs]]) => ({ name, runs }));
}
