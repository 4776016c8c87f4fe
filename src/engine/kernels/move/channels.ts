import type { LayoutOperation } from '../../../graph/index.ts';
import type { PlanContext } from '../../plan/step.ts';
import { ANY, sourcesOf } from './elements.ts';

/**
 * Where a move takes some neighbouring channels of every pixel: the first of them.
 *
 * @param context layouts of contiguous images
 */
export function firstChannelOf(
  operation: LayoutOperation,
  context: Pick<PlanContext, 'graph' | 'layouts'>,
): number | undefined {
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  if (input?.kind !== 'nhwc' || output?.kind !== 'nhwc') return undefined;
  if (input.height !== output.height || input.width !== output.width || input.channels <= output.channels)
    return undefined;
  const place = { name: operation.output, index: operation.outputIndex };
  const sources = sourcesOf(operation, place, { ...context, homes: new Map() });
  if (!sources) return undefined;
  const first = sources.offsets[0]!;
  for (let slot = 0; slot < sources.operands.length; slot++) {
    const channel = slot % output.channelStride;
    const expected = ((slot - channel) / output.channelStride) * input.channelStride + first + channel;
    if (sources.operands[slot] !== ANY && (sources.operands[slot] !== 0 || sources.offsets[slot] !== expected))
      return undefined;
  }
  return first;
}
