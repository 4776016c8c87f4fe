import { AppError } from '../base/index.ts';
import { baseName, compareNames, folderOf } from './entryPath.ts';

/** Class index per sample, and class names by index where they have names. */
export interface Labelling {
  readonly labels: readonly number[];
  readonly classNames?: readonly string[];
}

/** Highest class index accepted; far above any classifier in use (ImageNet-21k has 21,841). */
const MAX_CLASSES = 100_000;
const indexedFolder = /^(\d{1,6})(?:-(.*))?$/;

/**
 * Labels from the folder each sample lies in: `<index>-<class>` or a bare index takes the index, else the sorted folder
 * names are numbered. Undefined when the samples lie in no folders, or all in one without an index.
 *
 * @throws AppError LABELS_INVALID
 */
export function labelsFromFolders(names: readonly string[]): Labelling | undefined {
  const folders = names.map((name) => baseName(folderOf(name)));
  const distinct = [...new Set(folders)].sort(compareNames);
  const indexed = distinct.filter((folder) => indexedFolder.test(folder));
  if (indexed.length === 0 && distinct.length === 1) return undefined;
  if (distinct.includes(''))
    throw invalid(
      `${folders.filter((folder) => folder === '').length} of ${names.length} samples lie outside of the class ` +
        `folders, the first is '${names[folders.indexOf('')] ?? ''}'.`,
    );
  if (indexed.length > 0 && indexed.length < distinct.length)
    throw invalid(
      `Some class folders have an index ('${indexed[0] ?? ''}') and some have none ` +
        `('${distinct.find((folder) => !indexedFolder.test(folder)) ?? ''}').`,
    );
  return indexed.length > 0 ? labelsFromIndexed(folders, distinct) : labelsFromSorted(folders, distinct);
}

function labelsFromSorted(folders: readonly string[], distinct: readonly string[]): Labelling {
  const index = new Map(distinct.map((folder, i) => [folder, i]));
  return { labels: folders.map((folder) => index.get(folder) ?? 0), classNames: distinct };
}

function labelsFromIndexed(folders: readonly string[], distinct: readonly string[]): Labelling {
  const index = new Map<string, number>();
  const folderOfIndex = new Map<number, string>();
  for (const folder of distinct) {
    const label = checkIndex(Number(indexedFolder.exec(folder)?.[1]), `Class folder '${folder}'`);
    const other = folderOfIndex.get(label);
    if (other !== undefined) throw invalid(`Class folders '${other}' and '${folder}' have the same index ${label}.`);
    folderOfIndex.set(label, folder);
    index.set(folder, label);
  }
  const labels = folders.map((folder) => index.get(folder) ?? 0);
  const named = distinct.every((folder) => folder.includes('-'));
  if (!named) return { labels };
  const classNames = Array.from({ length: Math.max(...folderOfIndex.keys()) + 1 }, (_, label) => {
    const folder = folderOfIndex.get(label);
    return folder === undefined ? String(label) : folder.slice(folder.indexOf('-') + 1);
  });
  return { labels, classNames };
}

/**
 * Labels from a table `file,label` (a header line of that kind is optional); a label is a class index, or a class name
 * out of `classNames` (else out of the table's own sorted names).
 *
 * @param names   every sample's name; the table must name each once, and nothing else
 * @param folder  the folder the table lies in: files are relative to it or to the top
 * @throws AppError LABELS_INVALID
 */
export function labelsFromTable(
  text: string,
  names: readonly string[],
  { folder = '', classNames }: { readonly folder?: string; readonly classNames?: readonly string[] | undefined } = {},
): Labelling {
  const position = new Map(names.map((name, i) => [name, i]));
  const values = new Array<string | undefined>(names.length);
  for (const { line, file, label } of tableRows(text)) {
    const at = position.get(folder === '' ? file : `${folder}/${file}`) ?? position.get(file);
    if (at === undefined) throw invalid(`Labels, line ${line}: the set has no sample '${file}'.`);
    if (values[at] !== undefined && values[at] !== label)
      throw invalid(`Labels, line ${line}: '${file}' has the labels '${values[at]}' and '${label}'.`);
    values[at] = label;
  }
  const missing = names.filter((_, i) => values[i] === undefined);
  if (missing.length > 0)
    throw invalid(`${missing.length} of ${names.length} samples have no label, the first is '${missing[0] ?? ''}'.`);
  return resolveLabels(values as string[], classNames);
}

function resolveLabels(values: readonly string[], classNames: readonly string[] | undefined): Labelling {
  if (values.every((value) => /^\d+$/.test(value))) {
    const labels = values.map((value) => checkIndex(Number(value), 'A label'));
    const outside = classNames === undefined ? undefined : labels.find((label) => label >= classNames.length);
    if (outside !== undefined)
      throw invalid(`Label ${outside} is out of range; there are ${classNames?.length ?? 0} classes, numbered from 0.`);
    return classNames === undefined ? { labels } : { labels, classNames };
  }
  const known = classNames ?? [...new Set(values)].sort(compareNames);
  const index = new Map(known.map((name, i) => [name, i]));
  const labels = values.map((value) => {
    const label = index.get(value);
    if (label === undefined) throw invalid(`Label '${value}' is none of the ${known.length} class names.`);
    return label;
  });
  return { labels, classNames: known };
}

/**
 * Labels held in an array: integers, one a sample.
 *
 * @throws AppError LABELS_INVALID
 */
export function labelsFromNumbers(values: Iterable<number | bigint>, count: number): Labelling {
  const labels = Array.from(values, (value) => {
    const label = Number(value);
    if (!Number.isInteger(label)) throw invalid(`Label ${label} is not an integer.`);
    return checkIndex(label, 'A label');
  });
  if (labels.length !== count) throw invalid(`There are ${labels.length} labels for ${count} samples.`);
  return { labels };
}

function checkIndex(label: number, what: string): number {
  if (!Number.isInteger(label) || label < 0 || label >= MAX_CLASSES)
    throw invalid(`${what} has the index ${label}; allowed: 0 to ${MAX_CLASSES - 1}.`);
  return label;
}

interface TableRow {
  readonly line: number;
  readonly file: string;
  readonly label: string;
}

function* tableRows(text: string): Generator<TableRow> {
  let first = true;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (raw.trim() === '') continue;
    const fields = splitRow(raw, index + 1);
    const [file = '', label = ''] = fields.map((field) => field.trim());
    const isHeader = first && ['file', 'filename', 'name', 'image'].includes(file.toLowerCase());
    first = false;
    if (isHeader) continue;
    if (fields.length !== 2 || file === '' || label === '')
      throw invalid(`Labels, line ${index + 1}: '${raw.slice(0, 80)}' is not of the form file,label.`);
    yield { line: index + 1, file, label };
  }
}

/** RFC 4180 fields; a quoted field does not span lines. */
function splitRow(line: string, number: number): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  while (field.lastIndex <= line.length) {
    const match = field.exec(line);
    if (match === null) throw invalid(`Labels, line ${number}: '${line.slice(0, 80)}' has broken quotes.`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '') break;
  }
  return fields;
}

function invalid(detail: string): AppError {
  return new AppError('LABELS_INVALID', detail);
}
