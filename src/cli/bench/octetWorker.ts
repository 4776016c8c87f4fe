import { parentPort, workerData } from 'node:worker_threads';
import type { TensorMap } from '../../tensor/index.ts';
import { loadOctet } from './octetThreads.ts';

const { model, feeds } = workerData as { model: Uint8Array; feeds: TensorMap };
const { executable } = await loadOctet(model, feeds);
parentPort?.on('message', () => {
  executable.run(feeds);
  parentPort?.postMessage('done');
});
parentPort?.postMessage('ready');
