import type { Operation } from '../../../graph/index.ts';

/** Operators of one tensor that put its elements elsewhere and compute nothing; further inputs are constants. */
const movers = new Set([
  'DepthToSpace',
  'Dropout',
  'Expand',
  'Flatten',
  'Gather',
  'Identity',
  'Pad',
  'Reshape',
  'Resize',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);

/** Whether an operation only moves elements: then it may read and write any layout. */
export function isMove(operation: Operation): boolean {
  if (operation.kind === 'layout' || operation.kind === 'concat') return true;
  if (operation.kind !== 'float') return false;
  const { opType, attributes, domain } = operation.node;
  if (domain !== '') return false;
  if (opType === 'Resize') return attributes.get('mode') === 'nearest' || attributes.get('mode') === undefined;
  return opType === 'Concat' || movers.has(opType);
}
