export { convergenceOf } from './convergence.ts';
export { calibrationReportSchema } from './findings.ts';
export type { CalibrationReport, Convergence } from './findings.ts';
export { lintCalibration } from './lintCalibration.ts';
