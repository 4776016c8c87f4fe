import { describe, expect, it } from 'vitest';
import { dotOfTier } from '../../src/engine/dot.ts';
import { tierReport } from '../../src/engine/index.ts';
import { describeSuites } from './support/describeSuites.ts';

const { selfTest, dotSemantics, reason } = tierReport();

if (selfTest.wide === 'passed') describeSuites('wide tier', { tier: 'wide', dot: dotOfTier('wide', dotSemantics) });
else describe('wide tier', () => it.skip(`does not run on this machine: ${reason}`, () => expect.fail()));
