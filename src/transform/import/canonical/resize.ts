import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../../graph/index.ts';
import { tensor } from '../../../tensor/index.ts';
import { dim, invalid, mismatch, normalizeAxis, unsupported } from '../../shapes/index.ts';
import {
  hasInput,
  listsOf,
  onlyAttributes,
  rankOf,
  shapesOf,
  withInputs,
  type Canonicalizer,
  type Context,
} from './context.ts';
import { constantList } from './layout.ts';

const modes: Readonly<Record<string, string>> = {
  nearest: 'nearest',
  linear: 'linear',
  bilinear: 'linear',
  cubic: 'cubic',
};

function modeOf(node: Node): string {
  const mode = stringAttribute(node, 'mode', 'nearest');
  const canonical = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
  if (canonical === undefined) throw unsupported(node, `mode '${mode}' is not supported`);
  return canonical;
}

/** Upsample, and Resize of operator set 10: coordinates are x / scale, nearest rounds down. */
function scaledFromOrigin(node: Node, scalesName: string): Node {
  const attributes = { mode: modeOf(node), coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  const inputs = [node.inputs[0] ?? '', '', scalesName];
  return onlyAttributes({ ...withInputs(node, inputs), opType: 'Resize' }, attributes);
}

export const upsample: Canonicalizer = (node, context) => {
  const scales = node.attributes.has('scales')
    ? numbersAttribute(node, 'scales')
    : constantList(node, 1, context, 'scales');
  return scaledFromOrigin(node, makeScales(node, context, scales));
};

function makeScales(node: Node, context: Context, scales: readonly number[]): string {
  return context.makeConstant(node, 'scales', tensor('float32', [scales.length], Float32Array.from(scales)));
}

/** Scales of every axis, or sizes of the axes that change; region of interest and policies are left behind. */
export const resize: Canonicalizer = (node, context) => {
  if (context.opset < 11)
    return scaledFromOrigin(node, makeScales(node, context, constantList(node, 1, context, 'scales')));
  const transformation = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  if (transformation === 'tf_crop_and_resize') throw unsupported(node, `'${transformation}' is not supported`);
  if (stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    throw unsupported(node, 'keep_aspect_ratio_policy is not supported');
  const mode = modeOf(node);
  const attributes = {
    mode,
    coordinate_transformation_mode: transformation,
    ...(mode === 'nearest' ? { nearest_mode: stringAttribute(node, 'nearest_mode', 'round_prefer_floor') } : {}),
    ...(mode === 'cubic'
      ? {
          cubic_coeff_a: numberAttribute(node, 'cubic_coeff_a', -0.75),
          exclude_outside: numberAttribute(node, 'exclude_outside', 0),
        }
      : {}),
    ...(numberAttribute(node, 'antialias', 0) === 0 ? {} : { antialias: 1 }),
  };
  const rank = rankOf(node, 0, context);
  const axes = numbersAttribute(
    node,
    'axes',
    Array.from({ length: rank }, (_, axis) => axis),
  ).map((axis) => normalizeAxis(node, axis, rank));
  const scales = hasInput(node, 2) ? constantList(node, 2, context, 'scales') : [];
  if (scales.length > 0) {
    if (scales.length !== axes.length) throw mismatch(node, `${scales.length} scales do not fit ${axes.length} axes`);
    const all = new Array<number>(rank).fill(1);
    axes.forEach((axis, index) => (all[axis] = dim(scales, index)));
    return onlyAttributes(withInputs(node, [node.inputs[0] ?? '', '', makeScales(node, context, all)]), attributes);
  }
  return bySizes(node, context, axes, attributes);
};

function bySizes(
  node: Node,
  context: Context,
  axes: readonly number[],
  attributes: Readonly<Record<string, string | number>>,
): Node {
  const lists = hasInput(node, 3) ? listsOf(node, 3, context) : undefined;
  if (!lists)
    throw hasInput(node, 3)
      ? unsupported(node, 'its sizes are computed from the data')
      : invalid(node, 'it has neither scales nor sizes');
  const shapes = shapesOf(node, 0, context);
  const changed = axes.flatMap((axis, index) => {
    const same = lists.every((sizes, probe) => sizes[index] === shapes[probe]?.[axis]);
    // A file made for one batch size writes it into the sizes.
    const fileBatch = axis === 0 && lists.every((sizes) => sizes[index] === context.fileBatch);
    return same || fileBatch ? [] : [{ axis, size: lists[0]?.[index] ?? 1, sizes: lists.map((sizes) => sizes[index]) }];
  });
  if (changed.some(({ size, sizes }) => sizes.some((other) => other !== size)))
    throw unsupported(node, 'its sizes depend on the size of the batch');
  const kept =
    changed.length > 0 ? changed : [{ axis: axes.at(-1) ?? 0, size: dim(shapes[0] ?? [], axes.at(-1) ?? 0) }];
  const sizes = context.makeIntegers(
    node,
    'sizes',
    kept.map(({ size }) => size),
  );
  const inputs = [node.inputs[0] ?? '', '', '', sizes];
  return onlyAttributes(withInputs(node, inputs), { ...attributes, axes: kept.map(({ axis }) => axis) });
}
