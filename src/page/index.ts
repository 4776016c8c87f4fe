import { readFileSync } from 'node:fs';

export interface PageAsset {
  readonly contentType: string;
  readonly body: Buffer;
}

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/octet.svg': ['octet.svg', 'image/svg+xml'],
} as const;

/** The built-in page: every file by the path it is served at. Static, without inline scripts or styles. */
export const pageAssets: ReadonlyMap<string, PageAsset> = new Map(
  Object.entries(files).map(([path, [file, contentType]]) => [
    path,
    { contentType, body: readFileSync(new URL(`assets/${file}`, import.meta.url)) },
  ]),
);
