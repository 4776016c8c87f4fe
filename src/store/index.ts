export { jobStages } from './records.ts';
export type * from './records.ts';
export type * from './store.ts';
