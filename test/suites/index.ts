import { channelSuite } from './channels.ts';
import { convSuites } from './conv.ts';
import { convTransposeSuite } from './convTranspose.ts';
import { convertSuites } from './convert.ts';
import { binarySuite, tableSuite } from './elementwise.ts';
import { floatElementwiseSuites } from './float/elementwise.ts';
import { floatNormalizationSuites } from './float/normalizations.ts';
import { floatPoolSuites } from './float/pools.ts';
import { floatProductSuites } from './float/products.ts';
import { fullyConnectedSuite } from './fullyConnected.ts';
import { moveSuites } from './move.ts';
import { networkSuite } from './network.ts';
import { pixelSuite } from './pixels.ts';
import { poolSuites } from './pool.ts';
import type { Suite } from './problem.ts';
import { residualSuite } from './residual.ts';

/** Everything that an engine has to compute with the reference's bits. */
export const suites: readonly Suite[] = [
  ...convSuites,
  convTransposeSuite,
  fullyConnectedSuite,
  residualSuite,
  binarySuite,
  tableSuite,
  ...poolSuites,
  ...moveSuites,
  channelSuite,
  ...convertSuites,
  pixelSuite,
  ...floatElementwiseSuites,
  ...floatProductSuites,
  ...floatPoolSuites,
  ...floatNormalizationSuites,
  networkSuite,
];
