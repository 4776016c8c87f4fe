import { writeFile } from 'node:fs/promises';
import { renderOpenapi } from './renderOpenapi.ts';

/** Writes the committed document; run it after every change of a route or schema. */
await writeFile(new URL('../../openapi/openapi.yaml', import.meta.url), await renderOpenapi());
