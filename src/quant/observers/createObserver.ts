import { invariant, unreachable } from '../../base/index.ts';
import type { Recipe } from '../recipe.ts';
import { EntropyObserver } from './entropy.ts';
import { MeanSquareObserver } from './meanSquare.ts';
import { MinMaxObserver, MovingMinMaxObserver } from './minMax.ts';
import { sparseStride, type Observer } from './observer.ts';
import { PercentileObserver } from './percentile.ts';

/** The observer of activations that a recipe asks for. */
export function createObserver({ activations }: Recipe): Observer {
  invariant(activations !== 'none', 'this recipe quantizes activations');
  switch (activations.calibrator) {
    case 'minMax':
      return new MinMaxObserver();
    case 'movingMinMax':
      return new MovingMinMaxObserver();
    case 'percentile':
      return new PercentileObserver(activations.percentile, sparseStride);
    case 'entropy':
      return new EntropyObserver(activations.bits, sparseStride);
    case 'mse':
      return new MeanSquareObserver(activations.bits, sparseStride);
    default:
      return unreachable(activations.calibrator);
  }
}
