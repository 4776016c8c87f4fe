import { openDataset, type Dataset } from '../data/index.ts';
import {
  classOutputOf,
  compareRunners,
  evaluate,
  type Comparison,
  type Evaluation,
  type Runner,
} from '../lab/index.ts';
import {
  commonOptions,
  exitCodes,
  readArguments,
  readChoice,
  readPositionals,
  type Command,
  type CommandContext,
} from './command.ts';
import { executors, openRunner, type ExecutorName } from './executors.ts';
import { loadNetwork, readFileOrExplain, readPreprocessing, type Network } from './network.ts';
import { formatMs, formatShare, formatTable } from './text.ts';

const help = `Usage: octet evaluate <model.onnx> <dataset> [options]

Measures a network on a data set: top-1 and top-5 where it is labelled, and with --against how often two networks
agree and what only one of them gets right.

  --preprocessing p.json   how an image becomes the network's input; without it what the file's metadata says
  --labels l.csv           a table 'file,label' instead of the set's own labels
  --executor name          octet (default), reference, onnxruntime; a float network runs on onnxruntime, or on
                           the reference kernels where that is not installed
  --against other.onnx     a second network on the same samples, usually the float one
  --json                   one JSON document`;

const options = {
  ...commonOptions,
  preprocessing: { type: 'string' },
  labels: { type: 'string' },
  executor: { type: 'string' },
  against: { type: 'string' },
} as const;

interface Measured {
  readonly evaluation: Evaluation;
  readonly comparison: Comparison | undefined;
}

async function measure(
  [network, against]: readonly [Network, Network | undefined],
  dataset: Dataset,
  settings: { preprocessing: Network['preprocessing']; executor: ExecutorName | undefined },
  { terminal, signal }: CommandContext,
): Promise<Measured> {
  const runners: Runner[] = [];
  try {
    const candidate = await openRunner(network, settings.executor);
    runners.push(candidate);
    const evaluateOptions = {
      inputs: network.inputs,
      preprocessing: settings.preprocessing,
      classOutput: classOutputOf(network.graph.outputs, network.graph.types),
      signal,
      onProgress: (done: number, total: number) => terminal.progress('evaluate', done, total),
    };
    if (!against) return { evaluation: await evaluate(candidate, dataset, evaluateOptions), comparison: undefined };
    const reference = await openRunner(against, settings.executor);
    runners.push(reference);
    const comparison = await compareRunners([reference, candidate], dataset, evaluateOptions);
    return { evaluation: comparison.candidate, comparison };
  } finally {
    terminal.endProgress();
    for (const runner of runners) await runner.close();
  }
}

function figures(path: string, evaluation: Evaluation) {
  return {
    model: path,
    executor: evaluation.runner,
    samples: evaluation.samples,
    labelled: evaluation.labelled,
    top1: evaluation.top1?.share ?? null,
    top5: evaluation.top5?.share ?? null,
    top1Interval: evaluation.top1?.interval ?? null,
  };
}

function documentOf(network: Network, against: Network | undefined, { evaluation, comparison }: Measured) {
  if (!comparison || !against) return figures(network.path, evaluation);
  return {
    ...figures(network.path, evaluation),
    agreement: comparison.paired?.agreement ?? null,
    paired: comparison.paired ?? null,
    outputs: comparison.outputs,
    against: figures(against.path, comparison.reference),
  };
}

function render(network: Network, against: Network | undefined, { evaluation, comparison }: Measured): string {
  const files = [{ path: network.path, evaluation }];
  if (comparison && against) files.push({ path: against.path, evaluation: comparison.reference });
  const share = (value: number | undefined): string => (value === undefined ? 'no labels' : formatShare(value));
  const rows = [
    ['', ...files.map(({ path }) => path)],
    ['executor', ...files.map((file) => file.evaluation.runner)],
    ['samples', ...files.map((file) => String(file.evaluation.samples))],
    ['top-1', ...files.map((file) => share(file.evaluation.top1?.share))],
    ['top-5', ...files.map((file) => share(file.evaluation.top5?.share))],
  ];
  return [formatTable(rows), ...(comparison ? renderComparison(comparison) : [])].join('\n');
}

function renderComparison({ paired, outputs }: Comparison): string[] {
  const lines: string[] = [];
  if (paired) {
    lines.push(`\nThey agree on ${formatShare(paired.agreement)} of ${paired.samples} samples.`);
    const { labelled } = paired;
    if (labelled)
      lines.push(
        `Net loss ${(labelled.netLoss * 100).toFixed(2)} points (${labelled.losses} lost, ${labelled.gains} gained; ` +
          `95 % bound +${(labelled.bound * 100).toFixed(2)}).`,
      );
  }
  for (const { name, sqnrDb, cosine, maxError } of outputs)
    lines.push(
      `Output '${name}': SQNR ${sqnrDb === null ? 'without error' : `${sqnrDb.toFixed(1)} dB`}, ` +
        `cosine ${cosine?.toFixed(6) ?? 'none'}, largest error ${maxError.toPrecision(3)}.`,
    );
  return lines;
}

export const evaluateCommand: Command = {
  name: 'evaluate',
  summary: 'measure accuracy or agreement on a data set',
  help,
  async run(args, context) {
    const { values, positionals } = readArguments(args, options);
    const [modelPath = '', datasetPath = ''] = readPositionals(positionals, ['model.onnx', 'dataset']);
    const executor = values.executor === undefined ? undefined : readChoice('executor', values.executor, executors);
    const began = performance.now();
    const network = await loadNetwork(modelPath);
    const against = values.against === undefined ? undefined : await loadNetwork(values.against);
    const preprocessing =
      values.preprocessing === undefined ? network.preprocessing : await readPreprocessing(values.preprocessing);
    const labels =
      values.labels === undefined ? undefined : Buffer.from(await readFileOrExplain(values.labels)).toString('utf8');
    const dataset = await openDataset(datasetPath, { labels, classNames: network.labels, signal: context.signal });
    try {
      const measured = await measure([network, against], dataset, { preprocessing, executor }, context);
      const durationMs = performance.now() - began;
      context.terminal.print(
        values.json
          ? JSON.stringify({ ...documentOf(network, against, measured), durationMs }, null, 2)
          : `${render(network, against, measured)}\n\n${formatMs(durationMs)}`,
      );
      return exitCodes.ok;
    } finally {
      await dataset.close();
    }
  },
};
