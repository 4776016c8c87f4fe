import type { PlanContext } from '../../../plan/step.ts';
import type { WeightAt } from './pack.ts';
import type { IntegerWeights } from './step.ts';

/**
 * A layer's weights as the file stores them, where their scales follow the output columns; uint8 is shifted to int8.
 *
 * @param columnAxis the weights' axis of output columns
 */
export function integersOf(
  name: string,
  columnAxis: number,
  { graph }: PlanContext,
  elements: (data: ArrayLike<number>) => WeightAt,
): IntegerWeights | undefined {
  const stored = graph.integers?.get(name);
  const rank = graph.constants.get(name)?.shape.length ?? 0;
  if (!stored) return undefined;
  const { axis, scales, zeroPoints, data } = stored;
  if (axis !== undefined && (axis < 0 ? axis + rank : axis) !== columnAxis) return undefined;
  const shift = data instanceof Uint8Array ? 128 : 0;
  const at = elements(data);
  const ofColumn = (column: number): number => (axis === undefined ? 0 : column);
  return {
    at: (group, k, n) => at(group, k, n) - shift,
    scaleAt: (column) => scales[ofColumn(column)]!,
    zeroPointAt: (column) => zeroPoints[ofColumn(column)]! - shift,
  };
}
