export { asItIs, checkOnnxFile } from './checkFile.ts';
export { loadOnnxruntime } from './floatExecutor.ts';
export { profileNodes } from './profileNodes.ts';
export type { NodeRuns } from './profileNodes.ts';
export { openOnnxFile, optimizationLevels } from './onnxFile.ts';
export type { OnnxFileSession, OnnxFileValue, OnnxruntimeOptions, OptimizationLevel } from './onnxFile.ts';
