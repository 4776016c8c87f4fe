export { dataTypeName, dataTypeOf, dtypeOfDataType } from './dataTypes.ts';
export { defaultReadLimits } from './limits.ts';
export type { ReadLimits } from './limits.ts';
export type * from './model.ts';
export { readModel } from './readModel.ts';
export type { ReadModelOptions } from './readModel.ts';
export { readTensorProto } from './readTensor.ts';
export { writeModel, writeTensorProto } from './writeModel.ts';
