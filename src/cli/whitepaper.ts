import { openDataset } from '../data/index.ts';
import { whitepaperGrid, type WhitepaperGrid } from '../lab/index.ts';
import { commonOptions, exitCodes, readArguments, readChoice, readPositionals, type Command } from './command.ts';
import { floatExecutorNames, openFloatExecutor } from './executors.ts';
import { loadNetwork, readPreprocessing } from './network.ts';
import { formatShare, formatTable } from './text.ts';

const help = `Usage: octet whitepaper <model.onnx> <calibration> [options]

Quantizes a float network in every way of the post-training tables of Krishnamoorthi 2018 (arXiv:1806.08342: tables 2,
3, 5 and the post-training column of 6), measures each on the same samples, and prints the grid. Nothing is written.
Where the network is one of the paper's, its figures stand beside ours.

  --evaluation d           labelled samples to measure on; without it 20 % of the calibration set are held out
  --preprocessing p.json   how an image becomes the network's input; without it what the file's metadata says
  --executor name          onnxruntime (default where it is installed) or reference
  --json                   one JSON document`;

const options = {
  ...commonOptions,
  evaluation: { type: 'string' },
  preprocessing: { type: 'string' },
  executor: { type: 'string' },
} as const;

function render(grid: WhitepaperGrid): string {
  const { paper } = grid;
  const share = (value: number | undefined): string => (value === undefined ? '' : formatShare(value));
  const head = [
    'table',
    'quantized',
    'top-1',
    'agreement',
    'net loss ± bound',
    ...(paper ? [`paper: ${paper.name}`] : []),
  ];
  const rows = grid.cells.map(({ table, title, top1, agreement, labelled, paperTop1 }) => [
    String(table),
    title,
    share(top1),
    share(agreement),
    labelled ? `${(labelled.netLoss * 100).toFixed(2)} ± ${(labelled.bound * 100).toFixed(2)}` : '',
    ...(paper ? [share(paperTop1)] : []),
  ]);
  const float = ['', 'float', share(grid.floatTop1), '', '', ...(paper ? [share(paper.floatTop1)] : [])];
  const facts = `${grid.samples.evaluation} evaluation and ${grid.samples.calibration} calibration samples, ${(grid.parameters / 1e6).toFixed(2)} M parameters`;
  return `${formatTable([head, float, ...rows])}\n\n${facts}`;
}

export const whitepaperCommand: Command = {
  name: 'whitepaper',
  summary: "print the quantization whitepaper's tables for your network",
  help,
  async run(args, { terminal, signal }) {
    const { values, positionals } = readArguments(args, options);
    const [modelPath = '', calibrationPath = ''] = readPositionals(positionals, ['model.onnx', 'calibration']);
    const chosen =
      values.executor === undefined ? undefined : readChoice('executor', values.executor, floatExecutorNames);
    const network = await loadNetwork(modelPath);
    const preprocessing =
      values.preprocessing === undefined ? network.preprocessing : await readPreprocessing(values.preprocessing);
    const calibration = await openDataset(calibrationPath, { classNames: network.labels, signal });
    const evaluation =
      values.evaluation === undefined
        ? undefined
        : await openDataset(values.evaluation, { classNames: network.labels, signal });
    try {
      const grid = await whitepaperGrid({
        modelBytes: network.bytes,
        calibration,
        evaluation,
        preprocessing,
        executor: await openFloatExecutor(chosen),
        onProgress: (done, total) => terminal.progress('whitepaper', done, total),
        signal,
      });
      terminal.endProgress();
      terminal.print(values.json ? JSON.stringify({ model: network.path, ...grid }, null, 2) : render(grid));
      return exitCodes.ok;
    } finally {
      terminal.endProgress();
      await calibration.close();
      await evaluation?.close();
    }
  },
};
