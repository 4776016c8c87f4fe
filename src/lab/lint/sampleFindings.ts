import { countDuplicates } from '../../data/index.ts';
import type { Selection } from '../samples.ts';
import type { Finding } from './findings.ts';

/** Fewer leave ranges to chance. */
const FEW_SAMPLES = 32;
/** Samples a class from which on a class without any is no accident. */
const SAMPLES_A_CLASS = 5;
/** One class of three or more should not have more than this share. */
const UNEVEN_SHARE = 0.5;
/** Class names that a sentence lists. */
const NAMED = 5;

/** What can be said of calibration samples without decoding them. */
export function sampleFindings(selection: Selection, classCount: number | undefined): Finding[] {
  const { dataset, indices } = selection;
  const findings: Finding[] = [];
  if (indices.length < FEW_SAMPLES)
    findings.push({
      code: 'FEW_SAMPLES',
      text: `${indices.length} calibration samples are few; 100 or more give steadier ranges.`,
    });
  const duplicates = countDuplicates(dataset, indices);
  if (duplicates > 0)
    findings.push({
      code: 'DUPLICATES',
      text: `${duplicates} of ${indices.length} calibration samples are duplicates of others: they weigh twice and teach nothing.`,
    });
  return [...findings, ...classFindings(selection, classCount)];
}

function classFindings({ dataset, indices }: Selection, classCount: number | undefined): Finding[] {
  const labels = indices.map((index) => dataset.samples[index]?.label).filter((label) => label !== undefined);
  if (classCount === undefined || labels.length < indices.length || labels.length < SAMPLES_A_CLASS * classCount)
    return [];
  const counts = new Array<number>(classCount).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const nameOf = (label: number): string => dataset.classNames?.[label] ?? String(label);
  const missing = counts.flatMap((count, label) => (count === 0 ? [label] : []));
  const findings: Finding[] = [];
  if (missing.length > 0) {
    const names = missing.slice(0, NAMED).map((label) => `'${nameOf(label)}'`);
    findings.push({
      code: 'CLASSES_MISSING',
      text:
        `${missing.length} of ${classCount} classes have no calibration sample: ${names.join(', ')}` +
        `${missing.length > NAMED ? ', …' : ''}. Ranges may be too narrow for them.`,
    });
  }
  const most = counts.indexOf(Math.max(...counts));
  const share = (counts[most] ?? 0) / labels.length;
  if (classCount > 2 && share > UNEVEN_SHARE)
    findings.push({
      code: 'CLASSES_UNEVEN',
      text: `${(share * 100).toFixed(0)} % of the calibration samples are of class '${nameOf(most)}'; ranges fit the others less well.`,
    });
  return findings;
}
