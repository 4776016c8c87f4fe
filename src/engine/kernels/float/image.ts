import type { NhwcLayout } from '../../plan/layout.ts';
import type { PlanContext } from '../../plan/step.ts';
import { isFloat32 } from './planner.ts';

/** A float image whose channels lie side by side, pixel by pixel. */
export interface FloatImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Undefined where a value is no image of one sample, or lies in planes. */
export function imageOf(name: string, context: PlanContext): FloatImage | undefined {
  const [value, layout] = [context.graph.values.get(name), context.layouts.get(name)];
  if (!value || !layout || !isFloat32(context, name)) return undefined;
  if (layout.kind === 'nhwcFloat') return layout;
  const [batch = 1, channels = 1, height = 1, width = 1] = value.shape;
  if (value.shape.length !== 4 || batch !== 1 || (channels > 1 && height * width > 1)) return undefined;
  return { height, width, channels };
}

/** The image as rows of bytes, for what only copies them. */
export function asBytes({ height, width, channels }: FloatImage): NhwcLayout {
  const channelStride = channels * 4;
  const byteLength = height * width * channelStride;
  return { kind: 'nhwc', height, width, channels, channelStride, pixelStride: channelStride, byteLength };
}
