export type * from './queue.ts';
export { MAX_ATTEMPTS, openQueue } from './sqliteQueue.ts';
export type { EmbeddedQueue, QueueOptions } from './sqliteQueue.ts';
