import type { Draft } from './draft.ts';
import type { Attributes, Layer } from './layer.ts';

export interface Axis {
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
  readonly end: number;
}

export function axisOf(draft: Draft, kernel: number): Axis {
  const dilation = draft.chance(0.15) ? draft.integer(2, 3) : 1;
  const reach = dilation * (kernel - 1);
  const same = Math.floor(reach / 2);
  const [begin, end] = draft.chance(0.6) ? [same, same] : [draft.integer(0, reach), draft.integer(0, reach)];
  return { stride: draft.chance(0.7) ? 1 : draft.integer(2, 3), dilation, begin, end };
}

export const windowed = (size: number, kernel: number, { stride, dilation, begin, end }: Axis): number =>
  Math.floor((size + begin + end - dilation * (kernel - 1) - 1) / stride) + 1;

export const geometry = (kernel: readonly number[], [y, x]: readonly [Axis, Axis]): Attributes => ({
  kernel_shape: kernel,
  strides: [y.stride, x.stride],
  dilations: [y.dilation, x.dilation],
  pads: [y.begin, x.begin, y.end, x.end],
});

export const pool: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const average = draft.chance(0.5);
  const kernel = [draft.integer(1, 4), draft.integer(1, 4)].map((side, index) =>
    Math.min(side, [height, width][index]!),
  );
  const axis = (side: number): Axis => ({
    stride: draft.integer(1, 3),
    dilation: 1,
    begin: draft.integer(0, Math.min(1, side - 1)),
    end: draft.integer(0, Math.min(1, side - 1)),
  });
  const axes: [Axis, Axis] = [axis(kernel[0]!), axis(kernel[1]!)];
  const ceil = draft.chance(0.3);
  const size = (extent: number, index: 0 | 1): number => {
    const { stride, begin, end } = axes[index];
    if (!ceil) return windowed(extent, kernel[index]!, axes[index]);
    const count = Math.ceil((extent + begin + end - kernel[index]!) / stride) + 1;
    // windows that begin in the padding at the end: shape inference of onnxruntime counts them, its kernels do not
    return (count - 1) * stride >= extent + begin ? 0 : count;
  };
  const attributes: Attributes = { ...geometry(kernel, axes), ceil_mode: ceil ? 1 : 0 };
  delete attributes['dilations'];
  if (average) attributes['count_include_pad'] = draft.integer(0, 1);
  const shape = [channels, size(height, 0), size(width, 1)] as const;
  if (shape[1] < 1 || shape[2] < 1) return;
  draft.layer(average ? 'AveragePool' : 'MaxPool', [name], shape, attributes);
};

export const globalPool: Layer = (draft, { name, shape: [channels] }) => {
  const opType = draft.one(['GlobalAveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean']);
  const attributes: Attributes = opType === 'ReduceMean' ? { axes: [2, 3], keepdims: 1 } : {};
  draft.layer(opType, [name], [channels, 1, 1], attributes);
};
