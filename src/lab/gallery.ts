import { pixelsOf, thumbnailOf, type Dataset, type InputSpec, type Preprocessing } from '../data/index.ts';
import type { ScoredClass, ScoredDisagreement } from './disagreements.ts';
import type { Disagreement } from './report.ts';

/** Longer side of a thumbnail, in pixels. */
const THUMBNAIL_SIDE = 112;

export interface GalleryOptions {
  readonly dataset: Dataset;
  readonly inputs: readonly InputSpec[];
  readonly preprocessing: Preprocessing;
  readonly classNames: readonly string[] | undefined;
}

/** Disagreements for people: names of classes, and the images as the network sees them. */
export async function galleryOf(
  found: readonly ScoredDisagreement[],
  options: GalleryOptions,
): Promise<Disagreement[]> {
  const { dataset, classNames } = options;
  const named = (index: number): { class: number; name?: string } => {
    const name = classNames?.[index];
    return { class: index, ...(name === undefined ? {} : { name }) };
  };
  const answer = ({ class: index, score }: ScoredClass): Disagreement['fp32'] => ({
    ...named(index),
    score: Math.round(score * 10_000) / 10_000,
  });
  const gallery: Disagreement[] = [];
  for (const { index, label, reference, candidate } of found) {
    const thumbnail = await thumbnail64(index, options);
    gallery.push({
      sample: dataset.samples[index]?.name ?? `#${index}`,
      ...(label === undefined ? {} : { label: named(label) }),
      fp32: answer(reference),
      int8: answer(candidate),
      ...(thumbnail === undefined ? {} : { thumbnail }),
    });
  }
  return gallery;
}

async function thumbnail64(
  index: number,
  { dataset, inputs: [input], preprocessing }: GalleryOptions,
): Promise<string | undefined> {
  if (dataset.kind !== 'images' || input === undefined) return undefined;
  const content = await dataset.read(index);
  if (content.kind !== 'image') return undefined;
  const color = preprocessing.color === 'bgr' ? 'rgb' : preprocessing.color;
  const pixels = await pixelsOf(content.bytes, input, { ...preprocessing, color });
  return `data:image/webp;base64,${Buffer.from(await thumbnailOf(pixels, THUMBNAIL_SIDE)).toString('base64')}`;
}
