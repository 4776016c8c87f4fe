/** What bytes are, told from their first 512; names and extensions play no part. */
export type ContentKind =
  | { readonly kind: 'image'; readonly format: 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif' }
  | { readonly kind: 'npy' }
  | { readonly kind: 'archive'; readonly format: string }
  | { readonly kind: 'empty' }
  | { readonly kind: 'text' }
  | { readonly kind: 'unknown' };

export const SNIFF_BYTES = 512;

type Signature = readonly [offset: number, bytes: readonly number[]];

const ascii = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));

const images = {
  jpeg: [[[0, [0xff, 0xd8, 0xff]]]],
  png: [[[0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]]]],
  webp: [
    [
      [0, ascii('RIFF')],
      [8, ascii('WEBP')],
    ],
  ],
  gif: [[[0, ascii('GIF87a')]], [[0, ascii('GIF89a')]]],
  tiff: [[[0, [0x49, 0x49, 0x2a, 0]]], [[0, [0x4d, 0x4d, 0, 0x2a]]]],
  avif: [[[4, ascii('ftypavif')]], [[4, ascii('ftypavis')]]],
} as const satisfies Record<string, readonly (readonly Signature[])[]>;

const archives: Readonly<Record<string, Signature>> = {
  zip: [0, [0x50, 0x4b, 0x03, 0x04]],
  'empty zip': [0, [0x50, 0x4b, 0x05, 0x06]],
  gzip: [0, [0x1f, 0x8b]],
  bzip2: [0, ascii('BZh')],
  xz: [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  zstd: [0, [0x28, 0xb5, 0x2f, 0xfd]],
  '7z': [0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  rar: [0, ascii('Rar!')],
  tar: [257, ascii('ustar')],
};

const npyMagic: Signature = [0, [0x93, ...ascii('NUMPY')]];

export function detectContent(head: Uint8Array): ContentKind {
  if (head.length === 0) return { kind: 'empty' };
  const has = ([offset, bytes]: Signature): boolean => bytes.every((byte, i) => head[offset + i] === byte);
  if (has(npyMagic)) return { kind: 'npy' };
  for (const [format, alternatives] of Object.entries(images)) {
    if ((alternatives as readonly (readonly Signature[])[]).some((signatures) => signatures.every(has)))
      return { kind: 'image', format: format as keyof typeof images };
  }
  for (const [format, signature] of Object.entries(archives)) if (has(signature)) return { kind: 'archive', format };
  return isText(head) ? { kind: 'text' } : { kind: 'unknown' };
}

/** No control characters but tab, line feed and carriage return. Invalid UTF-8 passes: it is refused where it is parsed. */
function isText(head: Uint8Array): boolean {
  return head.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}
