import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { openDataset, type Dataset } from '../data/index.ts';
import { quantizeModel } from '../lab/index.ts';
import { recipeSchema, type Recipe } from '../quant/index.ts';
import {
  commonOptions,
  exitCodes,
  readArguments,
  readChoice,
  readInteger,
  readNumber,
  readPositionals,
  UsageError,
  withOptionalNumber,
  type Command,
  type CommandContext,
} from './command.ts';
import { askedTier } from './engineTier.ts';
import { floatExecutorNames, openFloatExecutor } from './executors.ts';
import { Interrupt } from './interrupt.ts';
import { loadNetwork, readJsonFile, readPreprocessing } from './network.ts';
import { reportWriterFor } from './reportFile.ts';
import { reportTable } from './reportTable.ts';
import { formatBytes, formatMs } from './text.ts';

const help = `Usage: octet quantize <model.onnx> [calibration] [options]

Makes an int8 network (QDQ ONNX) of a float one and says what that cost. The calibration set shows what the network sees
in use; only a weight-only recipe does without. Without --evaluation, 20 % of it are held out to measure with.

  -o, --output file        where to write; <model>.int8.onnx if absent
  --evaluation dataset     labelled images to measure accuracy on; unlabelled ones measure agreement
  --recipe r.json          how to quantize; {} is the default recipe
  --search [seconds]       look for a better recipe than that one, 300 s if no number follows; Ctrl-C ends the search with
                           the best so far
  --budget points          largest loss of top-1 that is wanted (per cent of changed answers without labels); 2 if absent
  --preprocessing p.json   how an image becomes the network's input; without it what the file's metadata says
  --report file            the report: .json, or .html to read
  --executor name          what runs the float network: onnxruntime where it is installed, else reference
  --json                   one JSON document

A set is a folder, zip, npy or npz. Folder names or a labels.csv ('file,label') label its images.`;

const options = {
  ...commonOptions,
  output: { type: 'string', short: 'o' },
  evaluation: { type: 'string' },
  recipe: { type: 'string' },
  search: { type: 'string' },
  budget: { type: 'string' },
  preprocessing: { type: 'string' },
  report: { type: 'string' },
  executor: { type: 'string' },
} as const;

/** Writes under a name of its own first: whoever reads the file sees all of it or none. */
async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw new UsageError(`Cannot write '${path}' (${error instanceof Error ? error.message : String(error)}).`);
  }
}

/** A folder that is not there is better noticed before the work than after it. */
async function checkFolderOf(path: string): Promise<void> {
  const found = await stat(dirname(path)).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new UsageError(`Cannot write '${path}': there is no such folder.`);
}

interface Values {
  readonly output?: string;
  readonly evaluation?: string;
  readonly recipe?: string;
  /** Empty: as long as the recipe says. */
  readonly search?: string;
  readonly budget?: string;
  readonly preprocessing?: string;
  readonly report?: string;
  readonly executor?: string;
}

/** The recipe file with what the command line says of it. */
async function readRecipe({ recipe: path, search, budget }: Values): Promise<Recipe> {
  const recipe = path === undefined ? recipeSchema.parse({}) : await readJsonFile(path, recipeSchema);
  const seconds = search ? { seconds: readInteger('search', search, { low: 10, high: 86_400 }) } : {};
  return recipeSchema.parse({
    ...recipe,
    ...(budget === undefined ? {} : { accuracyBudget: readNumber('budget', budget, { low: 0, high: 100 }) }),
    ...(search === undefined ? {} : { search: { ...recipe.search, ...seconds } }),
  });
}

async function quantize(
  modelPath: string,
  calibrationPath: string | undefined,
  values: Values,
  { terminal, signal }: CommandContext,
) {
  const began = performance.now();
  const output = values.output ?? `${modelPath.replace(/\.onnx$/i, '')}.int8.onnx`;
  if (resolve(output) === resolve(modelPath)) throw new UsageError('--output would overwrite the model.');
  const writeReport = values.report === undefined ? undefined : reportWriterFor(values.report);
  for (const path of [output, values.report ?? output]) await checkFolderOf(path);
  const executor = await openFloatExecutor(
    values.executor === undefined ? undefined : readChoice('executor', values.executor, floatExecutorNames),
  );
  const recipe = await readRecipe(values);
  const interrupt = new Interrupt(signal);
  const network = await loadNetwork(modelPath);
  const preprocessing =
    values.preprocessing === undefined ? network.preprocessing : await readPreprocessing(values.preprocessing);
  const datasets: Dataset[] = [];
  const open = async (path: string | undefined): Promise<Dataset | undefined> => {
    if (path === undefined) return undefined;
    const dataset = await openDataset(path, { classNames: network.labels, signal });
    datasets.push(dataset);
    return dataset;
  };
  try {
    const { onnx, report } = await quantizeModel({
      name: basename(modelPath),
      modelBytes: network.bytes,
      calibration: await open(calibrationPath),
      evaluation: await open(values.evaluation),
      preprocessing,
      labels: network.labels,
      recipe,
      executor,
      tier: askedTier(process.env),
      onProgress: ({ stage, done, total }) => {
        interrupt.stage = stage;
        terminal.progress(stage, done, total);
      },
      signal: interrupt.cancel,
      finish: interrupt.finish,
    });
    await writeWhole(output, onnx);
    if (values.report !== undefined && writeReport) await writeWhole(values.report, writeReport(report));
    // Kilobytes on every platform that Node runs on.
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    return { output, sizeBytes: onnx.length, durationMs: performance.now() - began, peakRssBytes, report };
  } finally {
    terminal.endProgress();
    for (const dataset of datasets) await dataset.close();
  }
}

export const quantizeCommand: Command = {
  name: 'quantize',
  summary: 'make an int8 network of a float one',
  help,
  async run(args, context) {
    const { values, positionals } = readArguments(withOptionalNumber(args, 'search'), options);
    const [modelPath = '', calibrationPath] = readPositionals(positionals, ['model.onnx', 'calibration?']);
    const result = await quantize(modelPath, calibrationPath, values, context);
    const { output, sizeBytes, durationMs, peakRssBytes, report } = result;
    context.terminal.print(
      values.json
        ? JSON.stringify(result, null, 2)
        : `${reportTable(report)}\n\nWrote ${output} (${formatBytes(sizeBytes)}) in ${formatMs(durationMs)}, ` +
            `peak memory ${formatBytes(peakRssBytes)}.`,
    );
    return exitCodes.ok;
  },
};
