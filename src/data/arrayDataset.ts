import { createHash } from 'node:crypto';
import { AppError, present } from '../base/index.ts';
import { formatShape, type Tensor } from '../tensor/index.ts';
import { openArray, type ArrayFile } from './arrayFile.ts';
import type { Container, Entry } from './container.ts';
import type { Dataset, Sample, SampleContent } from './dataset.ts';
import { baseName, compareNames, folderOf } from './entryPath.ts';
import { labelsFromNumbers, labelsFromTable, type Labelling } from './labels.ts';
import type { DatasetLimits } from './limits.ts';

/** Array names that hold labels rather than network inputs. */
const labelNames: readonly string[] = ['labels', 'label', 'y', 'targets'];

interface ArrayDatasetOptions {
  readonly limits: DatasetLimits;
  readonly classNames: readonly string[] | undefined;
  /** `file,label`, where files are sample names. */
  readonly labelTable: { readonly text: string; readonly folder: string } | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Arrays as samples. At the top: one array an input, the first axis counting the samples (`numpy.savez(x=…, labels=…)`).
 * In folders: one folder a sample, one array an input.
 *
 * @throws AppError DATASET_MALFORMED, DATASET_EMPTY, DATASET_TOO_LARGE, LABELS_INVALID
 */
export async function openArrayDataset(
  container: Container,
  entries: readonly Entry[],
  options: ArrayDatasetOptions,
): Promise<Dataset> {
  const grouped = entries.filter((entry) => folderOf(entry.name) !== '');
  if (grouped.length > 0 && grouped.length < entries.length)
    throw new AppError(
      'DATASET_MALFORMED',
      `Some arrays lie at the top and some in folders, the first is '${grouped[0]?.name ?? ''}'; use one of the two.`,
    );
  return grouped.length > 0 ? groupsDataset(container, grouped, options) : rowsDataset(container, entries, options);
}

async function rowsDataset(
  container: Container,
  entries: readonly Entry[],
  options: ArrayDatasetOptions,
): Promise<Dataset> {
  const arrays = new Map<string, ArrayFile>();
  const closeAll = async (): Promise<void> => {
    for (const array of arrays.values()) await array.close();
    await container.close();
  };
  try {
    for (const entry of entries) arrays.set(arrayName(entry), await openArray(container, entry, options.limits));
    const inputs = new Map([...arrays].filter(([name]) => !isLabelName(name, arrays.size)));
    const count = commonCount(inputs);
    const labelling = await rowLabels(arrays, count, options);
    const read = async (index: number): Promise<ReadonlyMap<string, Tensor>> => {
      const tensors = new Map<string, Tensor>();
      for (const [name, array] of inputs) tensors.set(inputs.size === 1 ? '' : name, await array.readRow(index));
      return tensors;
    };
    const samples: Sample[] = [];
    for (let index = 0; index < count; index++) {
      checkSignal(options.signal);
      samples.push({ name: `#${index}`, contentHash: hashTensors(await read(index)), ...labelOf(labelling, index) });
    }
    return dataset(samples, labelling, async (index) => ({ kind: 'tensors', tensors: await read(index) }), closeAll);
  } catch (error) {
    for (const array of arrays.values()) await array.close();
    throw error;
  }
}

function commonCount(inputs: ReadonlyMap<string, ArrayFile>): number {
  const [first] = inputs.values();
  if (first === undefined) throw new AppError('DATASET_EMPTY', 'The set has labels but no arrays of samples.');
  const count = first.header.shape[0];
  if (count === undefined)
    throw new AppError(
      'DATASET_MALFORMED',
      `Array '${first.name}' is a single number; its first axis must count the samples.`,
    );
  if (count === 0) throw new AppError('DATASET_EMPTY', `Array '${first.name}' has no samples.`);
  for (const other of inputs.values()) {
    if (other.header.shape[0] !== count)
      throw new AppError(
        'DATASET_MALFORMED',
        `Arrays '${first.name}' ${formatShape(first.header.shape)} and '${other.name}' ` +
          `${formatShape(other.header.shape)} differ in their number of samples.`,
      );
  }
  return count;
}

async function rowLabels(
  arrays: ReadonlyMap<string, ArrayFile>,
  count: number,
  { labelTable, classNames }: ArrayDatasetOptions,
): Promise<Labelling | undefined> {
  if (labelTable !== undefined) {
    const names = Array.from({ length: count }, (_, index) => `#${index}`);
    const text = labelTable.text.replace(/^(\d+)(?=\s*,)/gm, '#$1');
    return labelsFromTable(text, names, { classNames });
  }
  const found = [...arrays].find(([name]) => isLabelName(name, arrays.size));
  if (found === undefined) return undefined;
  const [name, array] = found;
  if (array.header.shape.length !== 1)
    throw new AppError(
      'LABELS_INVALID',
      `Array '${name}' has shape ${formatShape(array.header.shape)}; labels are one number a sample.`,
    );
  return labelsFromNumbers((await array.readAll()).data, count);
}

async function groupsDataset(
  container: Container,
  entries: readonly Entry[],
  options: ArrayDatasetOptions,
): Promise<Dataset> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const folder = folderOf(entry.name);
    groups.set(folder, [...(groups.get(folder) ?? []), entry]);
  }
  const names = [...groups.keys()].sort(compareNames);
  const read = async (index: number): Promise<ReadonlyMap<string, Tensor>> => {
    const group = present(groups.get(names[index] ?? ''), `sample ${index}`);
    const tensors = new Map<string, Tensor>();
    for (const entry of group) {
      const array = await openArray(container, entry, options.limits);
      try {
        tensors.set(group.length === 1 ? '' : arrayName(entry), await array.readAll());
      } finally {
        await array.close();
      }
    }
    return tensors;
  };
  const { labelTable, classNames } = options;
  const labelling =
    labelTable === undefined
      ? undefined
      : labelsFromTable(labelTable.text, names, { folder: labelTable.folder, classNames });
  const samples: Sample[] = [];
  for (const [index, name] of names.entries()) {
    checkSignal(options.signal);
    samples.push({ name, contentHash: hashTensors(await read(index)), ...labelOf(labelling, index) });
  }
  return dataset(
    samples,
    labelling,
    async (index) => ({ kind: 'tensors', tensors: await read(index) }),
    () => container.close(),
  );
}

function dataset(
  samples: readonly Sample[],
  labelling: Labelling | undefined,
  read: (index: number) => Promise<SampleContent>,
  close: () => Promise<void>,
): Dataset {
  const classNames = labelling?.classNames;
  return { kind: 'tensors', samples, ...(classNames === undefined ? {} : { classNames }), read, close };
}

/** sha-256 over each array's name, dtype, shape and bytes: equal tensors, equal hash. */
function hashTensors(tensors: ReadonlyMap<string, Tensor>): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, shape, data }] of tensors) {
    hash.update(`${name}\0${dtype}\0${shape.join(',')}\0`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function labelOf(labelling: Labelling | undefined, index: number): { label?: number } {
  const label = labelling?.labels[index];
  return label === undefined ? {} : { label };
}

function arrayName(entry: Entry): string {
  return baseName(entry.name).replace(/\.npy$/i, '');
}

/** A set of one array has no labels, whatever the array is called. */
function isLabelName(name: string, arrayCount: number): boolean {
  return arrayCount > 1 && labelNames.includes(name.toLowerCase());
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AppError('CANCELLED', 'Reading the data set was cancelled.');
}
