import type { Graph } from '../../graph/index.ts';

/**
 * Top-1 accuracies of Krishnamoorthi 2018, arXiv:1806.08342, tables 1, 2, 3, 5 and 6 (ImageNet, post-training), by network.
 * A network is told by its number of parameters (table 1), its input size, and whether it normalizes sums (ResNet v2 does
 * so before each block, v1 inside it).
 */
export interface PaperNetwork {
  readonly name: string;
  /** Millions. */
  readonly parameters: number;
  readonly inputSize: number;
  readonly normalizesSums: boolean;
  readonly float: number;
  /** By the cell's key; absent where the paper has no figure. */
  readonly top1: Readonly<Record<string, number>>;
}

const network = (
  name: string,
  parameters: number,
  inputSize: number,
  float: number,
  [w8l, w8s, w8a, b8l, b8s, b8a, a8, w4l, w4s, a4]: readonly (number | undefined)[],
): PaperNetwork => {
  const cells = { w8l, w8s, w8a, b8l, b8s, b8a, a8, w4l, w4s, a4 };
  const known = Object.entries(cells).filter((cell): cell is [string, number] => cell[1] !== undefined);
  const normalizesSums = name.startsWith('ResNet-v2');
  return { name, parameters, inputSize, normalizesSums, float, top1: Object.fromEntries(known) };
};

const networks: readonly PaperNetwork[] = [
  network(
    'MobileNet-v1 1.0 224',
    4.25,
    224,
    0.709,
    [0.001, 0.591, 0.704, 0.001, 0.591, 0.703, 0.708, 0.02, 0.001, 0.48],
  ),
  network(
    'MobileNet-v2 1.0 224',
    3.54,
    224,
    0.719,
    [0.001, 0.698, 0.698, 0.001, 0.698, 0.697, 0.7, 0.001, 0.001, 0.07],
  ),
  network('NASNet-Mobile', 5.3, 224, 0.74, [0.722, 0.721, 0.74, 0.722, 0.721, 0.74, 0.74, 0.001, 0.36, 0.04]),
  network('MobileNet-v2 1.4 224', 6.06, 224, 0.749, [
    0.004,
    0.74,
    0.74,
    0.004,
    0.74,
    0.74,
    0.742,
    0.001,
    0.001,
    undefined,
  ]),
  network('Inception-v3', 23.9, 299, 0.78, [0.78, 0.78, 0.78, 0.78, 0.78, 0.78, 0.78, 0.5, 0.71, 0.59]),
  network('ResNet-v1-50', 25.6, 224, 0.752, [0.75, 0.751, 0.752, 0.75, 0.751, 0.751, 0.751, 0.002, 0.54, 0.36]),
  network('ResNet-v2-50', 25.6, 224, 0.756, [0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.18, 0.72, undefined]),
  network('ResNet-v1-152', 60.4, 224, 0.768, [0.766, 0.763, 0.762, 0.766, 0.762, 0.767, 0.761, 0.001, 0.64, undefined]),
  network('ResNet-v2-152', 60.4, 224, 0.778, [0.761, 0.76, 0.77, 0.761, 0.76, 0.76, 0.76, 0.18, 0.74, undefined]),
];

/** Parameters of one architecture differ by the class count and the counting of batch norms. */
const PARAMETER_TOLERANCE = 0.02;

/** What tells one architecture from another. */
export interface Build {
  readonly parameters: number;
  readonly inputSize: number;
  /** Whether a BatchNormalization reads the sum of a shortcut. */
  readonly normalizesSums: boolean;
}

/** The paper's network of this build, if there is one. */
export function paperNetwork({ parameters, inputSize, normalizesSums }: Build): PaperNetwork | undefined {
  return networks.find(
    (known) =>
      known.inputSize === inputSize &&
      known.normalizesSums === normalizesSums &&
      Math.abs(parameters / 1e6 - known.parameters) <= PARAMETER_TOLERANCE * known.parameters,
  );
}

export function buildOf({ nodes, types, inputs }: Graph, parameters: number): Build {
  const sums = new Set(nodes.filter(({ opType }) => opType === 'Add').flatMap(({ outputs }) => outputs));
  return {
    parameters,
    inputSize: types.get(inputs[0] ?? '')?.shape.at(-1) ?? 0,
    normalizesSums: nodes.some((node) => node.opType === 'BatchNormalization' && sums.has(node.inputs[0] ?? '')),
  };
}
