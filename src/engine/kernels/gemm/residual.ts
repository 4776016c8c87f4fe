import type { Residual } from '../../plan/fuse.ts';
import type { PlanContext } from '../../plan/step.ts';
import type { Binary } from '../elementwise/arithmetic.ts';

/** From one pixel of the sum's other operand to the next. */
export function otherStrideOf({ other }: Residual, { layouts }: PlanContext): number {
  const layout = layouts.get(other);
  return layout?.kind === 'nhwc' ? layout.pixelStride : 0;
}

/** The sum that a convolution writes, for the emitters of its arithmetic. */
export function residualOf({ operation, result, other, signs }: Residual, { graph }: PlanContext): Binary | undefined {
  const value = graph.values.get(other);
  const output = graph.values.get(operation.output);
  if (value?.kind !== 'quantized' || output?.kind !== 'quantized') return undefined;
  return { operation, large: { name: operation.output, value: result }, small: { name: other, value }, output, signs };
}
