import { constants, setPriority } from 'node:os';
import { unreachable } from '../base/index.ts';
import { FloatHost } from './floatHost.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { JobWorker, type WorkerOptions } from './worker.ts';

/** Entry of the worker process; its only argument is its options as JSON. */
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const options = JSON.parse(process.argv[2] ?? '') as WorkerOptions;
const worker = await JobWorker.start(options, {
  onChange: (jobId) => send({ kind: 'changed', jobId }),
  onIncident: (incident) => send({ kind: 'incident', incident }),
});
const floats = new FloatHost(worker.store.artifacts, send);

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'changed':
      worker.announce(message.jobId);
      return;
    case 'call':
      floats.call(message.call, message.request);
      return;
    case 'abandon':
      floats.abandon(message.call);
      return;
    case 'stop':
      void stop();
      return;
    default:
      unreachable(message);
  }
});
// Without its service nobody sees what it does: another worker shall have the jobs.
process.on('disconnect', () => void stop(0));
if (!process.connected) void stop(0);
process.on('SIGTERM', () => void stop());
// Ctrl-C reaches the whole group; the service then says when to stop.
process.on('SIGINT', () => undefined);

send({ kind: 'ready' });

async function stop(graceMs?: number): Promise<void> {
  await Promise.all([worker.stop(graceMs), floats.close()]);
  process.exit(0);
}

function send(message: FromWorker): void {
  // The other end may be gone already.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
