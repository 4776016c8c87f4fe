import type { VersionRecord } from '../store/index.ts';

/** What computes a version: our engine; the float executor of the worker process; there, only onnxruntime. */
export type VersionExecutor = 'octet' | 'float' | 'onnxruntime';

export function executorOf({ kind, summary }: VersionRecord): VersionExecutor {
  if (summary.unsupported !== undefined) return 'onnxruntime';
  return kind === 'int8' ? 'octet' : 'float';
}
