import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Report } from '../../../src/lab/index.ts';

const command = fileURLToPath(new URL('../../../src/cli/octet.js', import.meta.url));

export interface QuantizeDocument {
  readonly output: string;
  readonly sizeBytes: number;
  readonly durationMs: number;
  readonly peakRssBytes: number;
  readonly report: Report;
}

/** `octet quantize` in a process of its own, so that its time and peak memory are its own. */
export async function runQuantize(args: readonly string[]): Promise<QuantizeDocument> {
  const { stdout } = await promisify(execFile)(process.execPath, [command, 'quantize', ...args, '--json'], {
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(stdout) as QuantizeDocument;
}
