import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import { readInteger, readNumber } from '../../src/cli/command.ts';
import { askedTier } from '../../src/cli/engineTier.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { formatBytes, formatCount, formatMs, formatTable } from '../../src/cli/text.ts';
import { tierReport } from '../../src/engine/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { benchNetwork, jsonLine, type BenchResult } from './benchNetwork.ts';
import { isNetworkName, networkNames, networks } from './generators/networks.ts';
import { toOnnx } from './generators/toOnnx.ts';
import { kernelTable } from './kernels.ts';
import { layerTable } from './layers.ts';
import { quantizeForBench } from './quantizeForBench.ts';

const help = `Usage: npm run bench -- [network or file.onnx]... [options]

Times networks side by side in one run, interleaved: our engine with one thread, with two that run an inference each,
and with two that share one; onnxruntime-node in fp32 and int8 (the same QDQ file), onnxruntime-web (wasm) in int8.
Networks: ${networkNames.join(', ')};
all of them when none is named. A float file is quantized by the default recipe on random samples first.

  --batch n       samples in one run: 1 by default, 1,8 for both
  --seconds n     measuring time of each side, 3 by default
  --no-web        leaves onnxruntime-web out
  --layers        times each node of ours instead
  --kernels       times single layers in every form of the engine instead, beside the machine's dot-product peak
  --json          one line of JSON a network`;

const { values, positionals } = parseArgs({
  options: {
    batch: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3' },
    'no-web': { type: 'boolean', default: false },
    layers: { type: 'boolean', default: false },
    kernels: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});

const terminal = createTerminal(process.stdout, process.stderr);

interface BenchModel {
  readonly name: string;
  readonly float: Uint8Array | undefined;
  readonly quantized: Uint8Array;
}

async function openModel(nameOrPath: string): Promise<BenchModel> {
  const bytes = isNetworkName(nameOrPath) ? toOnnx(networks[nameOrPath](1)) : await readFile(nameOrPath);
  const isQuantized = readModel(bytes).graph.nodes.some(({ opType }) => opType === 'DequantizeLinear');
  if (isQuantized) return { name: nameOrPath, float: undefined, quantized: bytes };
  return { name: nameOrPath, float: bytes, quantized: await quantizeForBench(bytes) };
}

const sides = [
  ['octet', 'octet, 1 thread'],
  ['octet2', 'octet, 2 threads, an inference each'],
  ['octetTeam', 'octet, 2 threads share an inference'],
  ['ortInt8', 'onnxruntime-node int8, 1 thread'],
  ['ortInt8x2', 'onnxruntime-node int8, 2 threads'],
  ['ortFp32', 'onnxruntime-node fp32, 1 thread'],
  ['ortWeb', 'onnxruntime-web int8, 1 thread'],
] as const;

function table(result: BenchResult): string {
  const ours = result.timings.get('octet')?.medianMs ?? NaN;
  const rows = sides.flatMap(([key, label]) => {
    const timing = result.timings.get(key);
    if (!timing) return [];
    const { medianMs, lowMs, highMs, runs } = timing;
    return [
      [
        label,
        medianMs.toFixed(3),
        `${lowMs.toFixed(3)} - ${highMs.toFixed(3)}`,
        String(runs),
        (result.macs / medianMs / 1e6).toFixed(1),
        `${(medianMs / ours).toFixed(2)}x`,
      ],
    ];
  });
  return [
    `${result.model}: ${formatCount(result.macs)} multiply-accumulates, batch ${result.batch}, tier ${result.tier}, ` +
      `loaded in ${formatMs(result.loadMs)}, ${formatBytes(result.memoryBytes)}; ` +
      `${result.fusedConvolutions} of ${result.fusedConvolutions} convolutions are QLinearConv in the peer`,
    formatTable([['', 'ms a sample', 'quartiles', 'runs', 'GMAC/s', 'of ours'], ...rows]),
    '',
  ].join('\n');
}

function printMachine(): void {
  const { tier, reason } = tierReport(askedTier(process.env));
  const processors = cpus();
  terminal.note(
    `${processors[0]?.model ?? 'unknown processor'}, ${processors.length} cores, Node ${process.versions.node}`,
  );
  terminal.note(`engine tier ${tier}: ${reason}\n`);
}

interface Settings {
  readonly batches: readonly number[];
  readonly seconds: number;
}

async function run(name: string, { batches, seconds }: Settings): Promise<readonly string[]> {
  terminal.progress(`prepare ${name}`, 0, 1);
  const model = await openModel(name);
  if (values.layers) {
    terminal.print(`${name}\n${await layerTable(model.quantized)}\n`);
    return [];
  }
  let peers: readonly string[] = [];
  for (const batch of batches) {
    const result = await benchNetwork(model, {
      batch,
      seconds,
      withWeb: !values['no-web'],
      onRound: (done, total) => terminal.progress(name, done, total),
    });
    terminal.print(values.json ? jsonLine(result) : table(result));
    peers = result.peers;
  }
  return peers;
}

/** Times network after network; one that cannot be timed takes nothing from the others, but from the exit code. */
async function runAll(): Promise<void> {
  const settings = {
    batches: values.batch.split(',').map((text) => readInteger('batch', text, { low: 1, high: 1024 })),
    seconds: readNumber('seconds', values.seconds, { low: 0.1, high: 600 }),
  };
  printMachine();
  if (values.kernels) {
    terminal.print(kernelTable());
    return;
  }
  const peers = new Set<string>();
  for (const name of positionals.length > 0 ? positionals : networkNames)
    try {
      for (const peer of await run(name, settings)) peers.add(peer);
    } catch (error) {
      explain(name, error);
    }
  for (const peer of peers) terminal.note(peer);
}

function explain(name: string, error: unknown): void {
  terminal.endProgress();
  terminal.note(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

if (values.help) terminal.print(help);
else {
  await runAll().catch((error: unknown) => {
    explain('bench', error);
  });
  // onnxruntime-web keeps its worker threads.
  process.exit();
}
