import { invariant, unreachable } from '../../base/index.ts';
import type { Recipe } from '../recipe.ts';
import { EntropyObserver } from './entropy.ts';
import { MeanSquareObserver } from './meanSquare.ts';
import { MinMaxObserver, MovingMinMaxObserver } from './minMax.ts';
import { sparseStride, type Observer } from './observer.ts';
import { PercentileObserver } from './percentile.ts';

/**
 * The observer of activations that a recipe asks for. Network inputs are bounded by their preprocessing and often full
 * of one value (a background), which the divergence takes for structure: histograms do not cut them.
 */
export function createObserver({ activations }: Recipe, place: 'input' | 'inside'): Observer {
  invariant(activations !== 'none', 'this recipe quantizes activations');
  const { calibrator, bits, percentile } = activations;
  if (place === 'input' && calibrator !== 'movingMinMax') return new MinMaxObserver();
  switch (calibrator) {
    case 'minMax':
      return new MinMaxObserver();
    case 'movingMinMax':
      return new MovingMinMaxObserver();
    case 'percentile':
      return new PercentileObserver(percentile, sparseStride);
    case 'entropy':
      return new EntropyObserver(bits, sparseStride);
    case 'mse':
      return new MeanSquareObserver(bits, sparseStride);
    default:
      return unreachable(calibrator);
  }
}
