/**
 * Top-1 accuracies of Krishnamoorthi 2018, arXiv:1806.08342, tables 1, 2, 3, 5 and 6 (ImageNet, post-training), by network.
 * A network is told by its number of parameters (table 1) and its input size.
 */
export interface PaperNetwork {
  readonly name: string;
  /** Millions. */
  readonly parameters: number;
  readonly inputSize: number;
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
  return { name, parameters, inputSize, float, top1: Object.fromEntries(known) };
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
  network('ResNet-v1-152', 60.4, 224, 0.768, [0.766, 0.763, 0.762, 0.766, 0.762, 0.767, 0.761, 0.001, 0.64, undefined]),
];

/** Parameters of one architecture differ by the class count and the counting of batch norms. */
const PARAMETER_TOLERANCE = 0.02;

/** The paper's network of this size, if there is one. */
export function paperNetwork(parameters: number, inputSize: number): PaperNetwork | undefined {
  return networks.find(
    (known) =>
      known.inputSize === inputSize &&
      Math.abs(parameters / 1e6 - known.parameters) <= PARAMETER_TOLERANCE * known.parameters,
  );
}
