import { tensor } from '../../../src/tensor/index.ts';
import type { Image } from './draft.ts';
import { MOST_ELEMENTS, type Attributes, type Layer } from './layer.ts';

export const concat: Layer = (draft, image) => {
  const axis = draft.one([1, 1, 1, 2, 3]);
  const fits = ({ shape }: Image): boolean =>
    shape.every((size, index) => index === axis - 1 || size === image.shape[index]);
  const parts = [image, ...Array.from({ length: draft.integer(1, 2) }, () => draft.one(draft.images.filter(fits)))];
  const shape: [number, number, number] = [...image.shape];
  shape[axis - 1] = parts.reduce((sum, part) => sum + part.shape[axis - 1]!, 0);
  if (shape[0] > 80 || shape[0] * shape[1] * shape[2] > MOST_ELEMENTS) return;
  draft.layer(
    'Concat',
    parts.map(({ name }) => name),
    shape,
    { axis: draft.chance(0.2) ? axis - 4 : axis },
  );
};

export const split: Layer = (draft, image) => {
  const axis = draft.one([1, 1, 2, 3]);
  const size = image.shape[axis - 1]!;
  if (size < 2) return;
  const first = draft.integer(1, size - 1);
  const names = [draft.fresh('split'), `${draft.fresh('split')}b`];
  draft.emit('Split', [image.name, draft.integers(first, size - first)], { axis });
  const node = draft.nodes.pop()!;
  draft.nodes.push({ ...node, outputs: names });
  [first, size - first].forEach((part, index) => {
    const shape: [number, number, number] = [...image.shape];
    shape[axis - 1] = part;
    draft.keep(names[index]!, shape);
  });
};

export const slice: Layer = (draft, image) => {
  const axis = draft.integer(1, 3);
  const size = image.shape[axis - 1]!;
  const step = draft.one([1, 1, 1, 2, -1]);
  const start = draft.integer(0, size - 1);
  const end = step < 0 ? -size - 1 : draft.integer(start + 1, size);
  const shape: [number, number, number] = [...image.shape];
  shape[axis - 1] = step < 0 ? start + 1 : Math.ceil((end - start) / step);
  const at = draft.chance(0.2) && step > 0 ? start - size : start;
  draft.layer(
    'Slice',
    [image.name, draft.integers(at), draft.integers(end), draft.integers(axis), draft.integers(step)],
    shape,
  );
};

/** Channel shuffle, as exporters write it. */
export const shuffle: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const groups = [2, 3, 4, 5].filter((count) => channels % count === 0);
  if (groups.length === 0) return;
  const group = draft.one(groups);
  const apart = draft.emit('Reshape', [name, draft.integers(0, group, channels / group, height, width)]);
  const swapped = draft.emit('Transpose', [apart], { perm: [0, 2, 1, 3, 4] });
  draft.layer('Reshape', [swapped, draft.integers(0, channels, height, width)], [channels, height, width]);
};

export const transpose: Layer = (draft, { name, shape: [channels, height, width] }) => {
  if (height > 70 || width > 70) return;
  if (draft.chance(0.5)) draft.layer('Transpose', [name], [channels, width, height], { perm: [0, 1, 3, 2] });
  else draft.layer('Transpose', [name], [height, width, channels], { perm: [0, 2, 3, 1] });
};

export const resize: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const [up, down] = [draft.integer(1, 3), draft.one([1, 1, 2])];
  const shape = [channels, Math.floor((height * up) / down), Math.floor((width * up) / down)] as const;
  if (shape[1] < 1 || shape[2] < 1 || channels * shape[1] * shape[2] > MOST_ELEMENTS) return;
  const mode = draft.one(['nearest', 'nearest', 'linear']);
  const attributes: Attributes = {
    mode,
    coordinate_transformation_mode: draft.one([
      'asymmetric',
      'half_pixel',
      down === 1 ? 'align_corners' : 'pytorch_half_pixel',
    ]),
    ...(mode === 'nearest' ? { nearest_mode: draft.one(['floor', 'round_prefer_floor', 'ceil']) } : {}),
  };
  const scales = draft.constant(tensor('float32', [4], Float32Array.of(1, 1, up / down, up / down)));
  // sizes say the batch, too
  if (draft.batch === 'free' || draft.chance(0.5)) draft.layer('Resize', [name, '', scales], shape, attributes);
  else draft.layer('Resize', [name, '', '', draft.integers(1, ...shape)], shape, attributes);
};

export const pad: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const mode = draft.one(['constant', 'constant', 'reflect', 'edge']);
  const most = (size: number): number => (mode === 'reflect' ? Math.min(2, size - 1) : 2);
  const begin = [draft.integer(0, most(height)), draft.integer(0, most(width))];
  const end = [draft.integer(0, most(height)), draft.integer(0, most(width))];
  const more = mode === 'constant' && draft.chance(0.2) ? draft.integer(1, 4) : 0;
  const pads = draft.integers(0, more, begin[0]!, begin[1]!, 0, 0, end[0]!, end[1]!);
  const fill = mode === 'constant' && draft.chance(0.4) ? [draft.scalar(draft.one([0, 0.5, -1, 3]))] : [];
  const shape = [channels + more, height + begin[0]! + end[0]!, width + begin[1]! + end[1]!] as const;
  draft.layer('Pad', [name, pads, ...fill], shape, { mode });
};

export const depthToSpace: Layer = (draft, { name, shape: [channels, height, width] }) => {
  if (channels % 4 === 0 && draft.chance(0.6))
    draft.layer('DepthToSpace', [name], [channels / 4, height * 2, width * 2], {
      ...{ blocksize: 2, mode: draft.one(['DCR', 'CRD']) },
    });
  else if (height % 2 === 0 && width % 2 === 0 && channels <= 20)
    draft.layer('SpaceToDepth', [name], [channels * 4, height / 2, width / 2], { blocksize: 2 });
};
