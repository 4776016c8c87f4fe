export { loadOnnxruntime } from './floatExecutor.ts';
export { openOnnxFile, optimizationLevels } from './onnxFile.ts';
export type { OnnxFileSession, OnnxFileValue, OnnxruntimeOptions, OptimizationLevel } from './onnxFile.ts';
