import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { present } from '../../base/index.ts';
import { compile, type Executable, type Tier } from '../../engine/index.ts';
import { readModel } from '../../onnx/index.ts';
import type { TensorMap } from '../../tensor/index.ts';
import { importModel, lowerQdq } from '../../transform/index.ts';
import type { OctetWorkerData, OctetWorkerTask } from './octetWorker.ts';

export interface LoadedOctet {
  readonly executable: Executable;
  /** Parse, lower, plan, compile and the first run. */
  readonly loadMs: number;
}

/** Our engine in this thread, loaded as the service loads it. */
export async function loadOctet(model: Uint8Array, feeds: TensorMap, tier: Tier | undefined): Promise<LoadedOctet> {
  const began = performance.now();
  const executable = compile(lowerQdq(importModel(readModel(model))), { tier });
  executable.run(feeds);
  return { executable, loadMs: performance.now() - began };
}

/** A network in several threads, on the same weights. */
export interface OctetThreads {
  run(): Promise<void>;
  close(): Promise<void>;
}

/** Throughput: `run` is one run of the feeds in every thread, at the same time. */
export async function openOctetThreads(
  executable: Executable,
  feeds: TensorMap,
  threads: number,
): Promise<OctetThreads> {
  const workers = await startWorkers(executable, feeds, threads);
  return {
    async run() {
      const answers = workers.map((worker) => once(worker, 'message'));
      tell(workers, 'run');
      await Promise.all(answers);
    },
    close: () => stop(workers),
  };
}

/** Latency: `run` is one run of the feeds that all threads share; this thread leads. */
export async function openOctetTeam(executable: Executable, feeds: TensorMap, threads: number): Promise<OctetThreads> {
  const workers = await startWorkers(executable, feeds, threads - 1);
  const [batch = 1] = [...feeds.values()].map(({ shape }) => shape[0]);
  const into = executable.run(feeds);
  let inference = 1;
  return {
    run() {
      const team = { inference, threads };
      inference += batch;
      tell(workers, { team, samples: batch });
      executable.run(feeds, { team, into });
      return Promise.resolve();
    },
    close: () => stop(workers),
  };
}

async function startWorkers(executable: Executable, feeds: TensorMap, count: number): Promise<Worker[]> {
  const shared = present(executable.share(), 'a tier that threads share');
  const entry = new URL('./octetWorker.ts', import.meta.url);
  const workers = Array.from({ length: count }, (_, index) => {
    const workerData: OctetWorkerData = { shared, feeds, arena: executable.arena + 1 + index };
    return new Worker(entry, { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

function tell(workers: readonly Worker[], task: OctetWorkerTask): void {
  for (const worker of workers) worker.postMessage(task);
}

async function stop(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.terminate()));
}
