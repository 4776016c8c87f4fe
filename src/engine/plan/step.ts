import type { Operation, QuantizedGraph } from '../../graph/index.ts';
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../wasm/index.ts';
import type { DotStrategy } from '../dot.ts';
import type { Homes } from './homes.ts';
import type { Layout } from './layout.ts';

/** What a kernel may know when it plans one operation. */
export interface PlanContext {
  readonly graph: QuantizedGraph;
  readonly layouts: ReadonlyMap<string, Layout>;
  readonly homes: Homes;
  readonly dot: DotStrategy;
}

/** Where the plan put things. Addresses of values are relative to the arena. */
export interface Placement {
  /** Absolute addresses of the step's constants, in order. */
  readonly constants: readonly number[];
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
  /** Of each thread that runs a part. */
  readonly scratchBytes: number;
  /**
   * Parts that threads may run at the same time, in any order, because none reads what another writes: rows of pixels,
   * vectors of elements. 1 where the work does not split, 0 where there is none.
   */
  readonly units: number;
  /** Set where unit u makes the channels of panel u, of every pixel. */
  readonly makes?: 'panels' | undefined;
  /** Set where unit u reads the channels of panel u alone. */
  readonly reads?: 'panels' | undefined;
  /**
   * Adds a `stepFunction` to the module.
   *
   * @param follower the function of a step that reads panels, to be called for each panel as soon as it is made
   */
  emit(module: ModuleBuilder, place: Placement, follower?: FunctionReference): FunctionReference;
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

/** What every step's function is given. */
export interface StepParameters {
  /** Address of the inference's values. */
  readonly arena: Local;
  /** Address of the calling thread's own scratch memory, a multiple of 64. */
  readonly scratch: Local;
  /** The units to run are begin ≤ unit < end, at least one. */
  readonly begin: Local;
  readonly end: Local;
}

/** A step that leaves nothing to do. */
export function emptyStep(operation: Operation, kernel: string): WasmStep {
  const step = { runs: 'wasm', operation, kernel, macs: 0, constants: [], scratchBytes: 0, units: 0 } as const;
  return { ...step, emit: (module) => stepFunction(module, () => undefined) };
}

/** Runs a follower for the panel that was made. */
export function emitFollower(
  f: FunctionBuilder,
  follower: FunctionReference | undefined,
  { arena, scratch, panel }: Pick<StepParameters, 'arena' | 'scratch'> & { readonly panel: Local },
): void {
  if (follower) f.get(arena).get(scratch).get(panel).get(panel).i32(1).op('i32.add').call(follower);
}

/** Adds a function (arena, scratch, begin, end: i32) → (). */
export function stepFunction(
  module: ModuleBuilder,
  emit: (f: FunctionBuilder, parameters: StepParameters) => void,
): FunctionReference {
  return module.function(['i', 'i', 'i', 'i'], [], (f) => {
    const [arena, scratch, begin, end] = [0, 1, 2, 3].map((index) => f.parameter(index)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    emit(f, { arena, scratch, begin, end });
  });
}
