import type { Attribute } from '../../transform/support/build.ts';
import type { Draft, Image } from './draft.ts';

/** Adds to a draft what it can at `image`, or nothing. */
export type Layer = (draft: Draft, image: Image) => void;

export type Attributes = Record<string, Attribute>;

/** Of an image, and of one layer: small networks show as much as large ones. */
export const MOST_ELEMENTS = 12_000;
export const MOST_PRODUCTS = 600_000;
