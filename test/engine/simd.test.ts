import { describeSuites } from './support/describeSuites.ts';
import { simd } from './support/runners.ts';

describeSuites('simd tier', simd);
