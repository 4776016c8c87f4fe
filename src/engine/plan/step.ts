import type { Operation, QuantizedGraph } from '../../graph/index.ts';
import type { FunctionReference, ModuleBuilder } from '../../wasm/index.ts';
import type { DotStrategy } from '../dot.ts';
import type { Layout } from './layout.ts';

/** What a kernel may know when it plans one operation. */
export interface PlanContext {
  readonly graph: QuantizedGraph;
  readonly layouts: ReadonlyMap<string, Layout>;
  readonly dot: DotStrategy;
}

/** Where the plan put things. Addresses of values and scratch are relative to the arena, parameter 0 of every function. */
export interface Placement {
  /** Absolute addresses of the step's constants, in order. */
  readonly constants: readonly number[];
  readonly scratch: number;
  address(value: string): number;
}

/** One operation as WebAssembly. */
export interface WasmStep {
  readonly runs: 'wasm';
  readonly operation: Operation;
  /** Grammar: <op>.<strategy>, for example conv.gemm6x16. */
  readonly kernel: string;
  readonly macs: number;
  /** Weights and tables, each placed at a multiple of 64. */
  readonly constants: readonly Uint8Array[];
  readonly scratchBytes: number;
  /** Adds a function (arena: i32) → () to the module. */
  emit(module: ModuleBuilder, place: Placement): FunctionReference;
}

/** One operation that the reference kernels execute on the same memory. */
export interface IslandStep {
  readonly runs: 'island';
  readonly operation: Operation;
  readonly kernel: string;
  readonly macs: number;
}

export type Step = WasmStep | IslandStep;

/** A kernel's offer for an operation, or undefined where it does not apply. */
export type KernelPlanner = (operation: Operation, context: PlanContext) => WasmStep | undefined;
