import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../../base/index.ts';
import { attach, type Membership, type SharedNetwork } from '../../engine/index.ts';
import type { TensorMap } from '../../tensor/index.ts';

export interface OctetWorkerData {
  readonly shared: SharedNetwork;
  readonly arena: number;
  readonly feeds: TensorMap;
}

/** An inference of its own, or a part in those of the thread that started it. */
export type OctetWorkerTask = 'run' | { readonly team: Membership; readonly samples: number };

const port = present(parentPort, 'parent port');
const { shared, arena, feeds } = workerData as OctetWorkerData;
const executable = attach(shared, arena);
const into = executable.run(feeds);
port.on('message', (task: OctetWorkerTask) => {
  if (task === 'run') {
    executable.run(feeds, { into });
    port.postMessage('done');
  } else executable.join(0, task.team, task.samples);
});
port.postMessage('ready');
