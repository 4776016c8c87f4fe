import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { tierReport } from '../../src/engine/index.ts';
import { suites } from '../suites/index.ts';

const script = join(import.meta.dirname, 'fixtures', 'runSuites.ts');

describe.each(['--liftoff-only', '--no-liftoff'])('under %s', (flag) => {
  it('every arithmetic gives the bits of the reference, and the probe finds the same semantics', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [flag, script]);
    const result = JSON.parse(stdout) as { dotSemantics: string; problems: number; faults: string[] };
    expect(result.faults).toEqual([]);
    expect(result.dotSemantics).toBe(tierReport().dotSemantics);
    expect(result.problems).toBeGreaterThanOrEqual(3 * 5 * suites.length);
  });
});
