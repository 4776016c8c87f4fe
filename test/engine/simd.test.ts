import { pairs } from '../../src/engine/dot.ts';
import { describeSuites } from './support/describeSuites.ts';

describeSuites('simd tier', { tier: 'simd', dot: pairs });
