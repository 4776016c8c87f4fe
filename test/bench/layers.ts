import { loadOctet } from '../../src/cli/bench/octetThreads.ts';
import { askedTier } from '../../src/cli/engineTier.ts';
import { randomFeeds } from '../../src/cli/bench/randomFeeds.ts';
import { formatTable } from '../../src/cli/text.ts';
import type { NodeTiming } from '../../src/engine/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { importModel } from '../../src/transform/index.ts';

const profiles = 21;

/** Per node: median milliseconds, GMAC/s, kernel and share of the whole, slowest first. */
export async function layerTable(quantized: Uint8Array): Promise<string> {
  const feeds = randomFeeds(importModel(readModel(quantized)), { batch: 1 });
  const { executable } = await loadOctet(quantized, feeds, askedTier(process.env));
  const samples: (readonly NodeTiming[])[] = [];
  for (let run = 0; run < profiles; run++) samples.push(executable.profile(feeds));
  executable.close();
  const nodes = (samples[0] ?? []).map((node, index) => ({
    ...node,
    ms: median(samples.map((sample) => sample[index]?.ms ?? 0)),
  }));
  const total = nodes.reduce((sum, { ms }) => sum + ms, 0);
  const rows = nodes
    .toSorted((a, b) => b.ms - a.ms)
    .map(({ name, opType, kernel, ms, macs }) => [
      name,
      opType,
      ms.toFixed(4),
      macs > 0 ? (macs / ms / 1e6).toFixed(1) : '',
      `${((100 * ms) / total).toFixed(1)} %`,
      kernel,
    ]);
  return formatTable([
    ['node', 'operator', 'ms', 'GMAC/s', 'share', 'kernel'],
    ...rows,
    ['all', '', total.toFixed(4), '', '', ''],
  ]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
