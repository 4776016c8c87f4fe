import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { pairs } from '../../src/engine/dot.ts';
import { tierReport } from '../../src/engine/index.ts';
import { describeAbsent, describeSuites } from './support/describeSuites.ts';
import { runnerOf, wide } from './support/runners.ts';

if (wide) describeSuites('wide tier', wide);
else describeAbsent('wide tier', tierReport().reason);

if (wide && wide.dot !== pairs)
  describeSuites('wide tier of a machine without an exact relaxed dot', runnerOf('wide', pairs));

const run = promisify(execFile);
const { stdout: options } = await run(process.execPath, ['--v8-options']);
const hasAvx2 = options.includes('AVX2=1');
if (!hasAvx2) console.log('skipped: 256-bit code (no AVX2 on this machine)');

describe.skipIf(!hasAvx2)('V8', () => {
  it('is found to merge, and the report says by how much that is faster', () => {
    const { tier, reason, selfTest } = tierReport();
    expect(selfTest.wide, reason).toBe('passed');
    expect(tier).toBe('wide');
    expect(reason).toMatch(/at [1-9]\.\d times the speed of 128 bits/);
  });

  it('merges the matrix kernels to 256 bits, also when the same network ran on another tier before', async () => {
    const script = join(import.meta.dirname, 'fixtures', 'compileWide.ts');
    const { stdout } = await run(process.execPath, ['--trace-wasm-revectorize', script], { maxBuffer: 2 ** 26 });
    const merged = [...stdout.matchAll(/Decide to vectorize, (\d+) revectorizable nodes/g)].map(([, n]) => Number(n));
    // stem, expand and project: each tile is pairs of accumulators with their products
    expect(merged.filter((nodes) => nodes > 100).length).toBeGreaterThanOrEqual(3);
  });
});
