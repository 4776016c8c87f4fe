import { loadSharp, type Pixels } from './decodeImage.ts';

/** WebP quality (1..100) at which a thumbnail of 96 pixels takes 1 to 4 KiB. */
const QUALITY = 72;

/**
 * A small WebP of decoded pixels, for people to look at: the longer side is `side` at most, smaller images keep their
 * size.
 *
 * @param pixels  gray or RGB, as `pixelsOf` returns them
 * @throws AppError IMAGES_UNAVAILABLE
 */
export async function thumbnailOf({ data, width, height, channels }: Pixels, side: number): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels } })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY })
    .toBuffer();
}
