import { askedTier } from '../../src/cli/engineTier.ts';
import { loadOctet, openOctetTeam, openOctetThreads } from '../../src/cli/bench/octetThreads.ts';
import { randomFeeds } from '../../src/cli/bench/randomFeeds.ts';
import { race, type Contestant, type Timing } from '../../src/cli/bench/timing.ts';
import { readModel } from '../../src/onnx/index.ts';
import { importModel, summarize } from '../../src/transform/index.ts';
import { checkFusedConvolutions } from './checkPeer.ts';
import { openOnnxruntimeNode } from './contestants/onnxruntimeNode.ts';
import { openOnnxruntimeWeb } from './contestants/onnxruntimeWeb.ts';

export interface BenchOptions {
  readonly batch: number;
  /** Measuring time of each contestant. */
  readonly seconds: number;
  /** onnxruntime-web is the slowest by far; without it the others get more of the time. */
  readonly withWeb: boolean;
  readonly onRound?: (done: number, total: number) => void;
}

/** Median milliseconds a sample of every contestant, and what is needed to judge them. */
export interface BenchResult {
  readonly model: string;
  readonly macs: number;
  readonly batch: number;
  readonly tier: string;
  readonly loadMs: number;
  readonly memoryBytes: number;
  readonly timings: ReadonlyMap<string, Timing>;
  /** Versions and thread options, a line a peer. */
  readonly peers: readonly string[];
  /** QLinearConv nodes in the peer's optimized graph, one for each quantized convolution. */
  readonly fusedConvolutions: number;
}

/** Times one network: ours with one thread, two inferences at a time, and one shared by two threads; onnxruntime-node in float and int8, onnxruntime-web in int8. */
export async function benchNetwork(
  model: { readonly name: string; readonly float: Uint8Array | undefined; readonly quantized: Uint8Array },
  options: BenchOptions,
): Promise<BenchResult> {
  const { batch, seconds, withWeb } = options;
  const graph = importModel(readModel(model.quantized));
  const feeds = randomFeeds(graph, { batch });
  const octet = await loadOctet(model.quantized, feeds, askedTier(process.env));
  // the plain kernels run in one thread
  const isShared = octet.executable.share() !== undefined;
  const octet2 = isShared ? await openOctetThreads(octet.executable, feeds, 2) : undefined;
  const octetTeam = isShared ? await openOctetTeam(octet.executable, feeds, 2) : undefined;
  const int8 = await openOnnxruntimeNode(model.quantized, { threads: 1, keepOptimized: true });
  const int8Two = await openOnnxruntimeNode(model.quantized, { threads: 2 });
  const fp32 = model.float ? await openOnnxruntimeNode(model.float, { threads: 1 }) : undefined;
  const web = withWeb ? await openOnnxruntimeWeb(model.quantized, { threads: 1 }) : undefined;
  try {
    const { convolutions } = checkFusedConvolutions(model.quantized, int8.optimized ?? new Uint8Array());
    const samples = new Map([['octet2', 2 * batch]]);
    const contestants: Contestant[] = [
      { name: 'octet', run: () => octet.executable.run(feeds) },
      ...(octet2 ? [{ name: 'octet2', run: () => octet2.run() }] : []),
      ...(octetTeam ? [{ name: 'octetTeam', run: () => octetTeam.run() }] : []),
      { name: 'ortInt8', run: () => int8.run(feeds) },
      { name: 'ortInt8x2', run: () => int8Two.run(feeds) },
      ...(fp32 ? [{ name: 'ortFp32', run: () => fp32.run(feeds) }] : []),
      ...(web ? [{ name: 'ortWeb', run: () => web.run(feeds) }] : []),
    ];
    const timings = await race(contestants, { budgetMs: seconds * 1000, onRound: options.onRound });
    const { tier, memoryBytes } = octet.executable;
    return {
      model: model.name,
      macs: summarize(graph).macs,
      batch,
      tier,
      loadMs: octet.loadMs,
      memoryBytes,
      timings: new Map([...timings].map(([name, timing]) => [name, scale(timing, samples.get(name) ?? batch)])),
      peers: [int8, int8Two, ...(web ? [web] : [])].map((peer) => `${peer.runtime}: ${peer.options}`),
      fusedConvolutions: convolutions,
    };
  } finally {
    octet.executable.close();
    for (const opened of [octet2, octetTeam, int8, int8Two, fp32, web]) await opened?.close();
  }
}

function scale({ medianMs, lowMs, highMs, runs }: Timing, samples: number): Timing {
  return { medianMs: medianMs / samples, lowMs: lowMs / samples, highMs: highMs / samples, runs };
}

/** The line of `--json`. Times are milliseconds a sample; a ratio above 1 means that ours is faster. */
export function jsonLine(result: BenchResult): string {
  const ms = (name: string): number | null => rounded(result.timings.get(name)?.medianMs);
  const ratio = (name: string): number | null => {
    const [theirs, ours] = [result.timings.get(name)?.medianMs, result.timings.get('octet')?.medianMs];
    return theirs === undefined || ours === undefined ? null : rounded(theirs / ours);
  };
  return JSON.stringify({
    model: result.model,
    macs: result.macs,
    octetMs: ms('octet'),
    octet2Ms: ms('octet2'),
    octetTeam2Ms: ms('octetTeam'),
    ortFp32Ms: ms('ortFp32'),
    ortInt8Ms: ms('ortInt8'),
    ortWebMs: ms('ortWeb'),
    vsOrtFp32: ratio('ortFp32'),
    vsOrtInt8: ratio('ortInt8'),
    vsOrtWeb: ratio('ortWeb'),
    tier: result.tier,
    loadMs: rounded(result.loadMs),
    memoryBytes: result.memoryBytes,
    batch: result.batch,
  });
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(4));
}
