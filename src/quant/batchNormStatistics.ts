import type { Graph, Node } from '../graph/index.ts';
import { exp } from '../reference/index.ts';
import { firstInput, firstOutput, GraphIndex } from './graphIndex.ts';

/** Mean and variance of each channel of a value, as training saw them. */
export interface ChannelStatistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** What an activation confines the value to. */
  readonly min: number;
  readonly max: number;
}

export type Statistics = ReadonlyMap<string, ChannelStatistics>;

/**
 * What BatchNormalization nodes say of their results: channel c has mean beta[c] and deviation |gamma[c]|.
 * Taken from the network as uploaded; simplification folds the nodes but keeps the names of their results.
 */
export function batchNormStatistics(imported: Graph): Statistics {
  const found = new Map<string, ChannelStatistics>();
  for (const node of imported.nodes) {
    if (node.opType !== 'BatchNormalization') continue;
    const [gamma, beta] = [1, 2].map((at) => imported.constants.get(node.inputs[at] ?? ''));
    if (gamma?.dtype !== 'float32' || beta?.dtype !== 'float32') continue;
    const variance = Float64Array.from(gamma.data, (g) => g * g);
    found.set(firstOutput(node), { mean: Float64Array.from(beta.data), variance, min: -Infinity, max: Infinity });
  }
  return found;
}

/**
 * Carries statistics of some values of a graph on to those that follow from them: through Relu and Clip as a clipped
 * normal, through Add as independent sums, through Concat, and unchanged through pools. Values that nothing is known of
 * are absent.
 */
export function propagateStatistics(graph: Graph, known: Statistics): Statistics {
  const index = new GraphIndex(graph);
  const found = new Map<string, ChannelStatistics>(known);
  for (const node of graph.nodes) {
    const output = firstOutput(node);
    if (found.has(output)) continue;
    const statistics = statisticsOf(index, node, found);
    if (statistics) found.set(output, statistics);
  }
  return found;
}

function statisticsOf(index: GraphIndex, node: Node, found: Statistics): ChannelStatistics | undefined {
  const inputs = node.inputs.filter((name) => index.isActivation(name)).map((name) => found.get(name));
  const [first, second] = inputs;
  if (!first || node.domain !== '') return undefined;
  switch (node.opType) {
    case 'Relu':
      return clippedNormal(first, 0, Infinity);
    case 'Clip':
      return clippedNormal(first, bound(index, node, 1, -Infinity), bound(index, node, 2, Infinity));
    case 'Add':
      return second && inputs.length === 2 && second.mean.length === first.mean.length ? sum(first, second) : undefined;
    case 'Concat':
      return node.attributes.get('axis') === 1 ? joined(inputs) : undefined;
    case 'MaxPool':
    case 'AveragePool':
    case 'GlobalAveragePool':
      return first;
    case 'Slice':
      return index.type(firstOutput(node)).shape[1] === first.mean.length ? first : undefined;
    case 'Pad':
      return padded(index, node, first);
    case 'Flatten':
    case 'Reshape':
      return keepsChannels(index, node, first.mean.length) ? first : undefined;
    default:
      return undefined;
  }
}

function bound(index: GraphIndex, node: Node, at: number, absent: number): number {
  const constant = index.constant(node.inputs[at] ?? '');
  return constant?.data.length === 1 ? Number(constant.data[0]) : absent;
}

/** Zeros around the image are left out of account; whole channels of them have mean and variance 0. */
function padded(index: GraphIndex, node: Node, from: ChannelStatistics): ChannelStatistics | undefined {
  const pads = Array.from<number | bigint, number>(index.constant(node.inputs[1] ?? '')?.data ?? [], Number);
  const axes = node.inputs[3] ?? '';
  if (bound(index, node, 2, 0) !== 0 || axes !== '' || pads.length !== 8) return undefined;
  const [before, after] = [pads[1]!, pads[5]!];
  if (before < 0 || after < 0) return undefined;
  const extend = (values: Float64Array): Float64Array => {
    const extended = new Float64Array(before + values.length + after);
    extended.set(values, before);
    return extended;
  };
  const { mean, variance, min, max } = from;
  return { mean: extend(mean), variance: extend(variance), min: Math.min(min, 0), max: Math.max(max, 0) };
}

/** [N, C, 1, 1] -> [N, C]. */
function keepsChannels(index: GraphIndex, node: Node, channels: number): boolean {
  const [from, to] = [index.type(firstInput(node)).shape, index.type(firstOutput(node)).shape];
  return to.length === 2 && to[1] === channels && from.slice(2).every((dim) => dim === 1);
}

function sum(a: ChannelStatistics, b: ChannelStatistics): ChannelStatistics {
  return {
    mean: a.mean.map((mean, c) => mean + b.mean[c]!),
    variance: a.variance.map((variance, c) => variance + b.variance[c]!),
    min: a.min + b.min,
    max: a.max + b.max,
  };
}

function joined(parts: readonly (ChannelStatistics | undefined)[]): ChannelStatistics | undefined {
  if (!parts.every((part) => part !== undefined)) return undefined;
  return {
    mean: Float64Array.from(parts.flatMap(({ mean }) => [...mean])),
    variance: Float64Array.from(parts.flatMap(({ variance }) => [...variance])),
    min: Math.min(...parts.map(({ min }) => min)),
    max: Math.max(...parts.map(({ max }) => max)),
  };
}

/** φ, the density of the standard normal. */
function density(x: number): number {
  return Number.isFinite(x) ? exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) : 0;
}

/** Φ, its integral; |error| < 1.5e-7. Source: Abramowitz and Stegun 7.1.26. */
function cumulative(x: number): number {
  if (!Number.isFinite(x)) return x > 0 ? 1 : 0;
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const upper = 0.5 * polynomial * exp(-z * z);
  return x >= 0 ? 1 - upper : upper;
}

/**
 * Moments of Y = min(max(X, a), b) for X normal, α = (a − μ) / σ, β = (b − μ) / σ:
 *
 *   E[Y]  = a Φ(α) + b (1 − Φ(β)) + μ (Φ(β) − Φ(α)) + σ (φ(α) − φ(β))
 *   E[Y²] = a² Φ(α) + b² (1 − Φ(β)) + (μ² + σ²)(Φ(β) − Φ(α)) + 2 μ σ (φ(α) − φ(β)) + σ² (α φ(α) − β φ(β))
 */
export function clippedNormal(
  { mean, variance, min, max }: ChannelStatistics,
  a: number,
  b: number,
): ChannelStatistics {
  const means = new Float64Array(mean.length);
  const variances = new Float64Array(mean.length);
  for (let c = 0; c < mean.length; c++) {
    const mu = mean[c]!;
    const sigma = Math.sqrt(variance[c]!);
    if (sigma === 0) {
      means[c] = Math.min(Math.max(mu, a), b);
      continue;
    }
    const [alpha, beta] = [(a - mu) / sigma, (b - mu) / sigma];
    const [below, above] = [cumulative(alpha), 1 - cumulative(beta)];
    const inside = 1 - below - above;
    const [atA, atB] = [density(alpha), density(beta)];
    const times = (bound: number, share: number): number => (Number.isFinite(bound) ? bound * share : 0);
    const first = times(a, below) + times(b, above) + mu * inside + sigma * (atA - atB);
    const square = times(a * a, below) + times(b * b, above) + (mu * mu + sigma * sigma) * inside;
    const second = square + 2 * mu * sigma * (atA - atB) + sigma * sigma * (times(alpha, atA) - times(beta, atB));
    means[c] = first;
    variances[c] = Math.max(second - first * first, 0);
  }
  return { mean: means, variance: variances, min: Math.max(min, a), max: Math.min(max, b) };
}
