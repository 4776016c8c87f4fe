import { z } from 'zod';
import { modelName, versionSelector } from '../names.ts';
import type { OperationDocument } from '../operation.ts';
import type { HttpServices } from '../services.ts';

/** A path with and without a version, and the params of each. */
export const versioned = [
  { path: '/v2/models/:name', suffix: '', params: z.object({ name: modelName, version: versionSelector.optional() }) },
  {
    path: '/v2/models/:name/versions/:version',
    suffix: 'Version',
    params: z.object({ name: modelName, version: versionSelector }),
  },
] as const;

/** What every operation of the protocol shares. */
export function protocolOperation(document: Omit<OperationDocument, 'tag' | 'protocolErrors'>): OperationDocument {
  return { ...document, tag: 'protocol', protocolErrors: true };
}

/** Every version of every model, in listing order. */
export async function allVersions(services: HttpServices) {
  const versions = [];
  let after: string | undefined;
  do {
    const page = await services.store.metadata.models({ limit: 200, after });
    for (const model of page.items) versions.push(...model.versions);
    after = page.next;
  } while (after !== undefined);
  return versions;
}
