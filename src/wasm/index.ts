export { FunctionBuilder } from './functionBuilder.ts';
export type { Local } from './functionBuilder.ts';
export { signedLeb, unsignedLeb } from './leb128.ts';
export { customSection, ModuleBuilder } from './moduleBuilder.ts';
export type { FunctionReference } from './moduleBuilder.ts';
export { opcodes } from './opcodes.ts';
export type { Instruction, ValueType } from './opcodes.ts';
