import { numberAttribute, numbersAttribute } from '../../graph/index.ts';
import { formatShape } from '../../tensor/index.ts';
import { dim, mismatch, need, unsupported, type FixedType, type Known, type ShapeRule } from './rule.ts';
import { checkImage, windowOf, windowOutput } from './window.ts';

/** x [N, C, H, W], w [M, C / group, kH, kW] -> [N, M, H', W']. */
export const conv: ShapeRule = (node, inputs) => [
  convolve(node, need(node, inputs, 0), need(node, inputs, 1), inputs[2]),
];

/** ConvInteger: int32 sums of 8-bit products; inputs 2 and 3 are zero points. */
export const convInteger: ShapeRule = (node, inputs) => [
  { ...convolve(node, need(node, inputs, 0), need(node, inputs, 1), undefined), dtype: 'int32' },
];

/** QLinearConv: the output has the type of its zero point. */
export const qLinearConv: ShapeRule = (node, inputs) => {
  const type = convolve(node, need(node, inputs, 0), need(node, inputs, 3), inputs[8]);
  return [{ ...type, dtype: need(node, inputs, 7).dtype }];
};

function convolve(node: Parameters<ShapeRule>[0], x: Known, w: Known, bias: Known | undefined): FixedType {
  checkImage(node, x.shape);
  if (w.shape.length !== 4) throw mismatch(node, `weights ${formatShape(w.shape)} must have four dimensions`);
  const group = numberAttribute(node, 'group', 1);
  const outChannels = dim(w.shape, 0);
  if (!Number.isInteger(group) || group < 1 || outChannels % group !== 0)
    throw mismatch(node, `group ${group} does not divide ${outChannels} output channels`);
  if (dim(x.shape, 1) !== dim(w.shape, 1) * group)
    throw mismatch(
      node,
      `weights ${formatShape(w.shape)} with group ${group} need ${dim(w.shape, 1) * group} input channels, got ${dim(x.shape, 1)}`,
    );
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== outChannels))
    throw mismatch(node, `bias ${formatShape(bias.shape)} must be [${outChannels}]`);
  const window = windowOf(node, w.shape.slice(2));
  if (window.kernel[0] !== w.shape[2] || window.kernel[1] !== w.shape[3])
    throw mismatch(node, `kernel_shape ${formatShape(window.kernel)} differs from weights ${formatShape(w.shape)}`);
  const height = windowOutput(node, x.shape, 0, window);
  const width = windowOutput(node, x.shape, 1, window);
  return { dtype: x.dtype, shape: [dim(x.shape, 0), outChannels, height, width] };
}

/** x [N, C, H, W], w [C, M / group, kH, kW] -> [N, M, H', W'], H' = stride · (H − 1) + outputPadding + extent − pads. */
export const convTranspose: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  const w = need(node, inputs, 1);
  const bias = inputs[2];
  checkImage(node, x.shape);
  if (w.shape.length !== 4) throw mismatch(node, `weights ${formatShape(w.shape)} must have four dimensions`);
  const group = numberAttribute(node, 'group', 1);
  if (dim(x.shape, 1) !== dim(w.shape, 0) || dim(w.shape, 0) % group !== 0)
    throw mismatch(
      node,
      `weights ${formatShape(w.shape)} and group ${group} do not fit ${dim(x.shape, 1)} input channels`,
    );
  const outChannels = dim(w.shape, 1) * group;
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== outChannels))
    throw mismatch(node, `bias ${formatShape(bias.shape)} must be [${outChannels}]`);
  const window = windowOf(node, w.shape.slice(2));
  const outputPadding = numbersAttribute(node, 'output_padding', [0, 0]);
  const spatial = ([0, 1] as const).map((axis) => {
    const extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const pads = window.pads[axis] + (window.pads[axis + 2] ?? 0);
    const size = window.strides[axis] * (dim(x.shape, axis + 2) - 1) + dim(outputPadding, axis) + extent - pads;
    if (!(size > 0)) throw mismatch(node, `its output would have size ${size} (axis ${axis + 2})`);
    return size;
  });
  return [{ dtype: x.dtype, shape: [dim(x.shape, 0), outChannels, ...spatial] }];
};

/** MaxPool and AveragePool: [N, C, H, W] -> [N, C, H', W']. */
export const pool: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  checkImage(node, x.shape);
  const window = windowOf(node);
  for (const axis of [0, 1] as const) {
    const extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    if (window.pads[axis] >= extent || (window.pads[axis + 2] ?? 0) >= extent)
      throw unsupported(node, `pads ${formatShape(window.pads)} are not smaller than the window of ${extent}`);
  }
  const shape = [
    dim(x.shape, 0),
    dim(x.shape, 1),
    windowOutput(node, x.shape, 0, window),
    windowOutput(node, x.shape, 1, window),
  ];
  return [{ dtype: x.dtype, shape }];
};

/** [N, C, D1, …] -> [N, C, 1, …]. */
export const globalPool: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  if (x.shape.length < 3) throw mismatch(node, `its input ${formatShape(x.shape)} has no spatial dimensions`);
  return [{ dtype: x.dtype, shape: x.shape.map((size, axis) => (axis < 2 ? size : 1)) }];
};
