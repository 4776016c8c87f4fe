import { openOnnxFile, loadOnnxruntime } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { summarize } from '../transform/index.ts';
import { loadOctet, openOctetTeam, openOctetThreads } from './bench/octetThreads.ts';
import { randomFeeds } from './bench/randomFeeds.ts';
import { race, type Contestant, type Timing } from './bench/timing.ts';
import {
  commonOptions,
  exitCodes,
  readArguments,
  readInteger,
  UsageError,
  type Command,
  type CommandContext,
} from './command.ts';
import { askedTier } from './engineTier.ts';
import { loadNetwork, type Network } from './network.ts';
import { formatBytes, formatCount, formatMs, formatTable } from './text.ts';

const help = `Usage: octet bench <model.onnx>... [options]

Times networks on this machine with random input, side by side with onnxruntime-node where it is installed. An int8
network runs on our engine; a float one on onnxruntime, or on the reference kernels.

  --threads n    1 (default) to 64: our engine runs n inferences at a time (octet), and shares each between n threads
                 (octetTeam); onnxruntime gives n threads to each
  --batch n      samples in one run, 1 by default
  --seconds n    measuring time for each side, 2 by default
  --json         one JSON document`;

const options = {
  ...commonOptions,
  threads: { type: 'string', default: '1' },
  batch: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '2' },
} as const;

interface Settings {
  readonly threads: number;
  readonly batch: number;
  readonly seconds: number;
}

/** A side of the race; `samples` is what one run gets through. */
interface Side extends Contestant {
  readonly samples: number;
  close(): Promise<void>;
}

interface Loaded {
  readonly sides: readonly Side[];
  readonly tier?: string;
  readonly loadMs?: number;
  readonly memoryBytes?: number;
}

async function octetSide(network: Network, feeds: TensorMap, { threads, batch }: Settings): Promise<Loaded> {
  const { executable, loadMs } = await loadOctet(network.bytes, feeds, askedTier(process.env));
  const { tier, memoryBytes } = executable;
  const facts = { tier, memoryBytes, loadMs };
  if (threads === 1) {
    const side = {
      name: 'octet',
      samples: batch,
      run: () => executable.run(feeds),
      close: async () => executable.close(),
    };
    return { ...facts, sides: [side] };
  }
  if (tier === 'reference') throw new UsageError('The reference tier runs in one thread: --threads must be 1.');
  // sides run one after the other, so that the threads of both may use the same arenas
  const pool = await openOctetThreads(executable, feeds, threads);
  const team = await openOctetTeam(executable, feeds, threads);
  return {
    ...facts,
    sides: [
      { name: 'octet', samples: batch * threads, ...pool },
      { name: 'octetTeam', samples: batch, ...team },
    ],
  };
}

async function load(network: Network, feeds: TensorMap, settings: Settings): Promise<Loaded> {
  const ours = network.quantized ? await octetSide(network, feeds, settings) : { sides: [] };
  const sides: Side[] = [...ours.sides];
  if ((await loadOnnxruntime()) !== undefined) {
    const session = await openOnnxFile(network.bytes, { threads: settings.threads });
    sides.push({
      name: 'onnxruntime',
      samples: settings.batch,
      run: () => session.run(feeds),
      close: () => session.close(),
    });
  } else if (!network.quantized) {
    const session = await referenceExecutor.load(network.graph, network.graph.outputs);
    sides.push({
      name: 'reference',
      samples: settings.batch,
      run: () => session.run(feeds),
      close: () => session.close(),
    });
  }
  return { ...ours, sides };
}

/** Milliseconds a sample. */
function perSample(timing: Timing, samples: number): Timing {
  const { medianMs, lowMs, highMs, runs } = timing;
  return { medianMs: medianMs / samples, lowMs: lowMs / samples, highMs: highMs / samples, runs };
}

async function benchNetwork(path: string, settings: Settings, { terminal, signal }: CommandContext) {
  const network = await loadNetwork(path);
  const feeds = randomFeeds(network.graph, settings);
  const { sides, ...facts } = await load(network, feeds, settings);
  try {
    const timings = await race(sides, {
      budgetMs: settings.seconds * 1000,
      signal,
      onRound: (done, total) => terminal.progress('bench', done, total),
    });
    const timed = sides.flatMap(({ name, samples }) => {
      const timing = timings.get(name);
      return timing ? [[name, perSample(timing, samples)] as const] : [];
    });
    const { macs, parameters } = summarize(network.graph);
    const kind = network.quantized ? 'int8' : 'fp32';
    return { model: path, kind, macs, parameters, ...settings, ...facts, timings: Object.fromEntries(timed) };
  } finally {
    terminal.endProgress();
    for (const side of sides) await side.close();
  }
}

type Result = Awaited<ReturnType<typeof benchNetwork>>;

function render(results: readonly Result[]): string {
  const rows = [['', 'kind', 'MACs', 'side', 'ms a sample', 'quartiles', 'GMAC/s', 'tier', 'load', 'memory']];
  for (const { model, kind, macs, timings, tier, loadMs, memoryBytes } of results)
    for (const [side, { medianMs, lowMs, highMs }] of Object.entries(timings)) {
      const ours = side === 'octet';
      rows.push([
        model,
        kind,
        formatCount(macs),
        side,
        medianMs.toFixed(3),
        `${lowMs.toFixed(3)} - ${highMs.toFixed(3)}`,
        (macs / medianMs / 1e6).toFixed(1),
        ours ? (tier ?? '') : '',
        ours && loadMs !== undefined ? formatMs(loadMs) : '',
        ours && memoryBytes !== undefined ? formatBytes(memoryBytes) : '',
      ]);
    }
  return formatTable(rows);
}

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure latency on this machine',
  help,
  async run(args, context) {
    const { values, positionals } = readArguments(args, options);
    if (positionals.length === 0) throw new UsageError('<model.onnx> is missing.');
    const settings = {
      threads: readInteger('threads', values.threads, { low: 1, high: 64 }),
      batch: readInteger('batch', values.batch, { low: 1, high: 1024 }),
      seconds: readInteger('seconds', values.seconds, { low: 1, high: 600 }),
    };
    const results: Result[] = [];
    for (const path of positionals) results.push(await benchNetwork(path, settings, context));
    context.terminal.print(values.json ? JSON.stringify({ results }, null, 2) : render(results));
    return exitCodes.ok;
  },
};
