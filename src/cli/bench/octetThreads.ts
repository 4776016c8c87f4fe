import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { compile, type Executable } from '../../engine/index.ts';
import { readModel } from '../../onnx/index.ts';
import type { TensorMap } from '../../tensor/index.ts';
import { importModel, lowerQdq } from '../../transform/index.ts';

export interface LoadedOctet {
  readonly executable: Executable;
  /** Parse, lower, plan, compile and the first run. */
  readonly loadMs: number;
}

/** Our engine in this thread, loaded as the service loads it. */
export async function loadOctet(
  model: Uint8Array,
  feeds: TensorMap,
  options: { profile?: boolean } = {},
): Promise<LoadedOctet> {
  const began = performance.now();
  const executable = compile(lowerQdq(importModel(readModel(model))), options);
  executable.run(feeds);
  return { executable, loadMs: performance.now() - began };
}

/** Our engine in several threads, each running whole inferences of its own. */
export interface OctetThreads {
  /** One run of the feeds in every thread, at the same time. */
  run(): Promise<void>;
  close(): Promise<void>;
}

export async function openOctetThreads(model: Uint8Array, feeds: TensorMap, threads: number): Promise<OctetThreads> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('./octetWorker.ts', import.meta.url), { workerData: { model, feeds } }),
  );
  const answers = (): Promise<unknown> => Promise.all(workers.map((worker) => once(worker, 'message')));
  await answers();
  return {
    async run() {
      const done = answers();
      for (const worker of workers) worker.postMessage('run');
      await done;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
