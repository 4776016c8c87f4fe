import { invariant } from '../base/index.ts';
import type { Graph } from '../graph/index.ts';
import type { PlannedLayer } from './plan.ts';
import { nearestEven, type QuantizerSpec } from './quantizer.ts';
import { quantizeWeights, type WeightTensor } from './quantizeWeights.ts';
import type { Recipe } from './recipe.ts';

export function weightSpec(recipe: Recipe): QuantizerSpec {
  const { symmetric, bits } = recipe.weights === 'none' ? { symmetric: true, bits: 8 } : recipe.weights;
  return { bits, signed: true, symmetric, narrowRange: symmetric };
}

/** int32 of an accumulator that are left for the bias when every tap adds its most, 255 · |w − zeroPoint|. */
function biasRoom(taps: number, spec: QuantizerSpec): number {
  const largest = spec.symmetric ? 2 ** (spec.bits - 1) - 1 : 2 ** spec.bits - 1;
  return Math.max(2 ** 31 - 1 - taps * 255 * largest, 2 ** 24);
}

/**
 * int8 weights of one layer. A channel whose bias would not fit beside its sum in int32 gets a larger scale than its
 * weights need.
 *
 * @param inputScale  absent where the layer's input is float: no int32 bias then
 */
export function quantizeLayer(
  graph: Graph,
  layer: PlannedLayer,
  recipe: Recipe,
  inputScale: number | undefined,
): WeightTensor {
  invariant(recipe.weights !== 'none', 'this recipe quantizes weights');
  const weights = graph.constants.get(layer.weights);
  invariant(weights?.dtype === 'float32', `weights '${layer.weights}' are float32`);
  const spec = weightSpec(recipe);
  const axis = recipe.weights.granularity === 'perChannel' ? layer.weightAxis : undefined;
  const scaleCount = axis === undefined ? 1 : (weights.shape[axis] ?? 1);
  const leastScales = new Float64Array(scaleCount);
  const bias = layer.bias === undefined ? undefined : graph.constants.get(layer.bias);
  if (inputScale !== undefined && bias?.dtype === 'float32') {
    const room = biasRoom(layer.taps, spec);
    for (const [channel, value] of bias.data.entries()) {
      const at = channel % scaleCount;
      leastScales[at] = Math.max(leastScales[at]!, Math.abs(value) / (inputScale * room));
    }
  }
  return quantizeWeights(weights, {
    spec,
    axis,
    calibrator: recipe.weights.calibrator,
    leastScales,
    name: layer.weights,
  });
}

/**
 * bias[c] = nearestEven(real[c] / scales[c]) with scales[c] = f32(inputScale · weightScale[c]), as int32.
 * One scale where all channels share one weight scale; the scales of a ConvTranspose repeat for each group.
 */
export function quantizeBias(
  reals: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): { data: Int32Array<ArrayBuffer>; scales: Float32Array<ArrayBuffer> } {
  const count = weightScales.length === 1 ? 1 : reals.length;
  const scales = Float32Array.from({ length: count }, (_, c) => inputScale * weightScales[c % weightScales.length]!);
  return { data: biasSteps(reals, scales), scales };
}

/** int32 of a real bias at given scales, saturating. */
export function biasSteps(reals: Float32Array, scales: Float32Array): Int32Array<ArrayBuffer> {
  return Int32Array.from(reals, (real, channel) => {
    const steps = nearestEven(real / scales[channel % scales.length]!);
    return Math.min(Math.max(steps, -(2 ** 31 - 1)), 2 ** 31 - 1);
  });
}
