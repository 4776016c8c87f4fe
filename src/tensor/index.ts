export { allocate, bytesPerElement, fromBytes } from './dtype.ts';
export type { Dtype, DtypeArrays } from './dtype.ts';
export { elementTypeOf, pixelFeed, tensorOf, tensorsOf } from './pixelFeed.ts';
export type { Feed, FeedMap, PixelFeed } from './pixelFeed.ts';
export { elementCount, formatShape, rowMajorStrides, shapesEqual } from './shape.ts';
export type { Shape } from './shape.ts';
export { tensor } from './tensor.ts';
export type { Tensor, TensorMap, TensorOf } from './tensor.ts';
