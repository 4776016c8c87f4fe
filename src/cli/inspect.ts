import { compile, tierReport, type Tier } from '../engine/index.ts';
import type { Graph } from '../graph/index.ts';
import { loadOnnxruntime } from '../onnxruntime/index.ts';
import { lowerQdq, summarize } from '../transform/index.ts';
import { commonOptions, exitCodes, readArguments, readPositionals, type Command } from './command.ts';
import { askedTier } from './engineTier.ts';
import { loadNetwork } from './network.ts';
import { formatBytes, formatCount } from './text.ts';

const help = `Usage: octet inspect <model.onnx> [--json]

Shows inputs, outputs, operators, parameters and multiply-accumulates of a network, whether it is quantized, and how it
would run on this machine (OCTET_ENGINE_TIER forces a tier). A network that cannot be worked with is refused, each node that stands in the way listed.

  --json    one JSON document`;

/** What `inspect` says of a quantized network. */
interface EngineView {
  readonly kernels: Readonly<Record<string, number>>;
  readonly memoryBytes: number;
  readonly loadMs: number;
}

async function viewInEngine(graph: Graph, tier: Tier | undefined): Promise<EngineView> {
  const began = performance.now();
  const executable = compile(lowerQdq(graph), { tier });
  const loadMs = performance.now() - began;
  const kernels: Record<string, number> = {};
  for (const kernel of executable.kernels.values()) kernels[kernel] = (kernels[kernel] ?? 0) + 1;
  const { memoryBytes } = executable;
  executable.close();
  return { kernels, memoryBytes, loadMs };
}

async function inspect(path: string) {
  const tier = askedTier(process.env);
  const { graph, quantized, sizeBytes, preprocessing, labels } = await loadNetwork(path);
  return {
    file: path,
    sizeBytes,
    kind: quantized ? 'int8' : 'fp32',
    ...summarize(graph),
    preprocessing,
    labels,
    requires: graph.metadata.get('octet.requires'),
    engine: quantized ? await viewInEngine(graph, tier) : undefined,
    host: {
      node: process.versions.node,
      v8: process.versions.v8,
      ...tierReport(tier),
      onnxruntime: (await loadOnnxruntime()) !== undefined,
    },
  };
}

type Inspection = Awaited<ReturnType<typeof inspect>>;

function counted(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} ${count}`).join(', ');
}

function render(found: Inspection): string {
  const shapes = (values: Inspection['inputs']): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ').replace('-1', 'N')}]`).join(', ');
  const rows = [
    ['file', `${found.file}, ${formatBytes(found.sizeBytes)}, ${found.kind}`],
    ['made by', `${found.producer || 'unknown'}, opset ${found.opset}`],
    ['inputs', shapes(found.inputs)],
    ['outputs', shapes(found.outputs)],
    ['parameters', formatCount(found.parameters)],
    ['multiply-accumulates', formatCount(found.macs)],
    ['operators', counted(found.operators)],
  ];
  if (found.requires !== undefined) rows.push(['requires', found.requires]);
  if (found.engine)
    rows.push(
      ['kernels', counted(found.engine.kernels)],
      ['memory when loaded', formatBytes(found.engine.memoryBytes)],
    );
  rows.push(
    ['engine tier', `${found.host.tier}: ${found.host.reason}`],
    ['float executor', found.host.onnxruntime ? 'onnxruntime-node' : 'reference (onnxruntime-node is not installed)'],
    ['node', `${found.host.node}, V8 ${found.host.v8}`],
  );
  const width = Math.max(...rows.map(([label = '']) => label.length));
  return rows.map(([label = '', text = '']) => `${label.padEnd(width)}  ${text}`).join('\n');
}

export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'show what a network is and how it would run here',
  help,
  async run(args, { terminal }) {
    const { values, positionals } = readArguments(args, commonOptions);
    const [path = ''] = readPositionals(positionals, ['model.onnx']);
    const found = await inspect(path);
    terminal.print(values.json ? JSON.stringify(found, null, 2) : render(found));
    return exitCodes.ok;
  },
};
