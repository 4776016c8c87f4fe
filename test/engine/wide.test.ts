import { pairs } from '../../src/engine/dot.ts';
import { tierReport } from '../../src/engine/index.ts';
import { describeAbsent, describeSuites } from './support/describeSuites.ts';
import { runnerOf, wide } from './support/runners.ts';

if (wide) describeSuites('wide tier', wide);
else describeAbsent('wide tier', tierReport().reason);

if (wide && wide.dot !== pairs)
  describeSuites('wide tier of a machine without an exact relaxed dot', runnerOf('wide', pairs));
