import { affineTable, type Preprocessing } from '../../data/index.ts';

export interface PreprocessingVariant {
  readonly title: string;
  readonly preprocessing: Preprocessing;
}

type Normalization = Pick<Preprocessing, 'scale' | 'mean' | 'std'> & { readonly title: string };

/** What networks are usually trained on, means and deviations in the order red, green, blue. */
const usual: Readonly<Record<1 | 3, readonly Normalization[]>> = {
  1: [
    { title: '0..255', scale: 1, mean: 0, std: 1 },
    { title: '0..1', scale: 1 / 255, mean: 0, std: 1 },
    { title: '-1..1', scale: 1 / 255, mean: 0.5, std: 0.5 },
    { title: 'MNIST mean and std', scale: 1 / 255, mean: 0.1307, std: 0.3081 },
  ],
  3: [
    { title: '0..255', scale: 1, mean: 0, std: 1 },
    { title: '0..1', scale: 1 / 255, mean: 0, std: 1 },
    { title: '-1..1', scale: 1 / 255, mean: 0.5, std: 0.5 },
    { title: 'ImageNet mean and std', scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    { title: 'ImageNet mean, 0..255', scale: 1, mean: [123.68, 116.779, 103.939], std: 1 },
    { title: 'CIFAR mean and std', scale: 1 / 255, mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  ],
};

/** The declared preprocessing, then the usual others with the same geometry, each once. */
export function preprocessingVariants(declared: Preprocessing, channels: 1 | 3): PreprocessingVariant[] {
  const colors = channels === 1 ? (['gray'] as const) : (['rgb', 'bgr'] as const);
  const others = colors.flatMap((color) =>
    usual[channels].map(({ title, scale, mean, std }) => ({
      title: channels === 1 ? title : `${color.toUpperCase()}, ${title}`,
      preprocessing: { ...declared, color, scale, mean: ordered(mean, color), std: ordered(std, color) },
    })),
  );
  const seen = new Set<string>();
  return [{ title: 'as declared', preprocessing: declared }, ...others].filter(({ preprocessing }) => {
    const key = keyOf(preprocessing, channels);
    return seen.has(key) ? false : seen.add(key);
  });
}

function ordered(values: Preprocessing['mean'], color: Preprocessing['color']): Preprocessing['mean'] {
  return typeof values === 'number' || color !== 'bgr' ? values : values.toReversed();
}

/** Equal for what gives a network the same values, to three digits. */
function keyOf(preprocessing: Preprocessing, channels: 1 | 3): string {
  const color = channels === 1 ? 'gray' : preprocessing.color;
  const ends = [...affineTable(preprocessing, channels)].filter((_, i) => i % 256 === 0 || i % 256 === 255);
  return [color, ...ends.map((value) => value.toPrecision(3))].join(' ');
}
