import { parentPort, workerData } from 'node:worker_threads';
import { constants, setPriority } from 'node:os';
import { AppError, present, toProblem } from '../base/index.ts';
import type { JobProgress } from '../store/index.ts';
import type { JobFunction } from './jobFunction.ts';
import type { FromJobThread, JobThreadData } from './messages.ts';

/** Progress of one stage is told at most this often. */
const PROGRESS_INTERVAL_MS = 100;

/** Entry of the thread of one job: runs the job's module and answers once. */
const port = present(parentPort, 'parent of the job thread');
const { module, input } = workerData as JobThreadData;
const cancelled = new AbortController();

// The only message to a job's thread, `ToJobThread`, asks it to end.
port.once('message', () => {
  cancelled.abort(new AppError('CANCELLED', `Job '${input.jobId}' was cancelled.`));
});

// On Linux this is the priority of this thread and of those that it starts; elsewhere of the whole process.
setPriority(constants.priority.PRIORITY_LOW);

try {
  const { runJob } = (await import(module)) as { runJob: JobFunction };
  const output = await runJob(input, { onProgress: throttled(tell), signal: cancelled.signal });
  if (output.kind === 'version') {
    const onnx = new Uint8Array(output.onnx);
    tell({ kind: 'done', output: { ...output, onnx } }, [onnx.buffer]);
  } else tell({ kind: 'done', output });
} catch (error) {
  const stack = error instanceof AppError || !(error instanceof Error) ? undefined : error.stack;
  tell({ kind: 'failed', problem: toProblem(error), stack });
}

function tell(message: FromJobThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Passes on the start and end of each stage, and between them one message an interval. */
function throttled(send: (message: FromJobThread) => void): (progress: JobProgress) => void {
  let stage: string | undefined;
  let sentAt = 0;
  return (progress) => {
    const now = performance.now();
    if (progress.stage === stage && progress.done < progress.total && now - sentAt < PROGRESS_INTERVAL_MS) return;
    stage = progress.stage;
    sentAt = now;
    send({ kind: 'progress', progress });
  };
}
