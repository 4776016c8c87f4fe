export type { Dataset, InputSpec, Sample, SampleContent } from './dataset.ts';
export { defaultPreprocessing, preprocessingSchema } from './preprocessing.ts';
export type { Preprocessing } from './preprocessing.ts';
