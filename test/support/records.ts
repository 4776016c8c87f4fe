import type { ModelRecord, ModelSummary, VersionRecord } from '../../src/store/index.ts';
import { defaultPreprocessing } from '../../src/data/index.ts';

/** Stored records for tests that need no store. */

export const summary: ModelSummary = {
  inputs: [{ name: 'image', dtype: 'float32', shape: [-1, 3, 8, 8] }],
  outputs: [{ name: 'scores', dtype: 'float32', shape: [-1, 4] }],
  operators: { Conv: 1 },
  parameters: 10,
  macs: 100,
  opset: 18,
  producer: 'test',
};

export function versionRecord(fields: Partial<VersionRecord> = {}): VersionRecord {
  return {
    model: 'm',
    version: 1,
    kind: 'fp32',
    sha256: 'a'.repeat(64),
    sizeBytes: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    summary,
    preprocessing: defaultPreprocessing,
    labels: undefined,
    jobId: undefined,
    reportSha256: undefined,
    golden: undefined,
    verdict: undefined,
    ...fields,
  };
}

export function modelRecord(
  versions: readonly VersionRecord[],
  aliases: Readonly<Record<string, number>> = {},
): ModelRecord {
  return { name: 'm', createdAt: '2026-01-01T00:00:00.000Z', versions, aliases };
}
