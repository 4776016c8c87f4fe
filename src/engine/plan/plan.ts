import { present } from '../../base/index.ts';
import type { Operation, QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { ModuleBuilder } from '../../wasm/index.ts';
import type { DotStrategy } from '../dot.ts';
import { fuseFloat } from '../kernels/float/index.ts';
import { planStep } from '../kernels/index.ts';
import { joinMoves } from '../kernels/move/chain.ts';
import { ALIGNMENT, planArena } from './arena.ts';
import { withBorders } from './borders.ts';
import { controlBytes } from './control.ts';
import { courseFunctions, type EmittedStep } from './emitCourse.ts';
import { findFollowers } from './followers.ts';
import { findHomes } from './findHomes.ts';
import { fuseResiduals } from './fuse.ts';
import { layoutsIn } from './homes.ts';
import { chooseLayouts, roundUp, SLACK_BYTES, type Layout } from './layout.ts';
import { planCourse, type Course } from './stages.ts';
import type { Placement, Step } from './step.ts';
import { heldConstants, outputsOf } from './values.ts';

const PAGE_BYTES = 65_536;

/** A network as one module and one image of constants. */
export interface Plan extends Wiring {
  readonly moduleBytes: Uint8Array<ArrayBuffer>;
  /** Weights and tables, placed from address 0 of the memory. */
  readonly image: Uint8Array<ArrayBuffer>;
}

/** What an instance needs beside module and memory: plain data that another thread can be given. */
export interface Wiring {
  /** Without the weights that are in the image. */
  readonly graph: QuantizedGraph;
  readonly steps: readonly PlannedStep[];
  readonly segments: readonly PlannedSegment[];
  /** Bytes of one arena: control words, scratch of its thread and values of one inference. */
  readonly arenaBytes: number;
  /** Address of the first arena. */
  readonly arenaStart: number;
  /** Where scratch begins in an arena, behind the control words. */
  readonly scratchStart: number;
  /** Pages of the memory with one arena, and the most that it may grow to. */
  readonly pages: { readonly initial: number; readonly maximum: number };
  /** Addresses relative to the arena. */
  readonly addresses: ReadonlyMap<string, number>;
  readonly layouts: ReadonlyMap<string, Layout>;
}

export interface PlannedStep {
  readonly name: string;
  readonly opType: string;
  readonly kernel: string;
  readonly macs: number;
  readonly units: number;
  /** Index of the operation in the graph. */
  readonly operation: number;
  /** Name of the exported function; undefined where the reference kernels run it. */
  readonly entry: string | undefined;
}

/** What runs without a break: exported functions of the module, or a step that the reference kernels run. */
export type PlannedSegment =
  | { readonly runs: 'wasm'; readonly alone: string; readonly together: string }
  | { readonly runs: 'island'; readonly step: number; readonly stage: number };

export interface PlanOptions {
  /** Estimated time of a step from which on threads share it; for tests, which share everything. */
  readonly sharedMicroseconds?: number;
}

/** Chooses layouts and kernels, places everything and emits the module. */
export function planNetwork(network: QuantizedGraph, dot: DotStrategy, options: PlanOptions = {}): Plan {
  const graph = fuseResiduals(fuseFloat(joinMoves(withBorders(network)), dot));
  const contiguous = chooseLayouts(graph);
  const homes = findHomes(graph, contiguous);
  const layouts = layoutsIn(homes, contiguous);
  const context = { graph, layouts, homes, dot };
  const { steps, followers } = findFollowers(graph.operations.map((operation) => planStep(operation, context)));
  const scratchBytes = Math.max(0, ...steps.map((step) => (step.runs === 'wasm' ? step.scratchBytes : 0)));
  const course = planCourse(steps, (step) => movedBytes(step, layouts), options.sharedMicroseconds);
  const scratchStart = controlBytes(course.stages.length);
  const valuesStart = roundUp(scratchStart + scratchBytes + SLACK_BYTES, ALIGNMENT);
  const early = new Map([...followers].map(([maker, { step }]) => [outputsOf(step.operation)[0]!, maker]));
  const arena = planArena(graph, layouts, { start: valuesStart, homes, early });
  const arenaBytes = roundUp(arena.byteLength, PAGE_BYTES);
  const constants = placeConstants(steps);
  const initial = (constants.byteLength + arenaBytes) / PAGE_BYTES;
  const maximum = Math.min(32_768, initial + (64 * arenaBytes) / PAGE_BYTES);
  const module = new ModuleBuilder({ initial, maximum });
  const emitted: EmittedStep[] = [];
  const placeOf = (index: number): Placement => ({
    constants: constants.addresses[index] ?? [],
    address: (name) => arena.addresses.get(name) ?? 0,
  });
  const planned = steps.map((step, index): PlannedStep => {
    const { operation, kernel, macs } = step;
    const described = { name: operation.name, opType: opTypeOf(operation), kernel, macs, operation: index };
    if (step.runs === 'island') return { ...described, units: 1, entry: undefined };
    const follower = followers.get(index);
    const entry = step.emit(module, placeOf(index), follower?.step.emit(module, placeOf(follower.index)));
    emitted[index] = { entry, units: step.units };
    module.export(`step${index}`, entry);
    return { ...described, units: step.units, entry: `step${index}` };
  });
  return {
    graph: withoutImage(graph, steps),
    steps: planned,
    segments: emitSegments(module, course, emitted),
    moduleBytes: module.bytes(),
    image: constants.image(),
    arenaBytes,
    arenaStart: constants.byteLength,
    scratchStart,
    pages: { initial, maximum },
    addresses: arena.addresses,
    layouts,
  };
}

/** Bytes that a step writes, and a pool reads: it writes next to nothing. */
function movedBytes({ operation }: Step, layouts: ReadonlyMap<string, Layout>): number {
  const isPool = operation.kind === 'averagePool' || operation.kind === 'maxPool';
  const names = isPool ? [operation.input, operation.output] : outputsOf(operation);
  return names.reduce((sum, name) => sum + (layouts.get(name)?.byteLength ?? 0), 0);
}

function emitSegments(
  module: ModuleBuilder,
  { stages, segments }: Course,
  emitted: readonly EmittedStep[],
): PlannedSegment[] {
  const functions = courseFunctions(module, stages, (step) => present(emitted[step], `step ${step}`));
  return segments.map((segment, index) => {
    if (segment.runs === 'island') return segment;
    const names = { alone: `alone${index}`, together: `together${index}` };
    module.export(names.alone, functions.alone(segment));
    module.export(names.together, functions.together(segment));
    return { runs: 'wasm', ...names };
  });
}

/** What reports call an operation: the operator where the file names one. */
function opTypeOf(operation: Operation): string {
  switch (operation.kind) {
    case 'float':
    case 'layout':
      return operation.node.opType;
    case 'table':
      return operation.opType;
    default:
      return operation.kind;
  }
}

/** Constants of all steps one after the other, in whole pages; the image is read after every step was emitted. */
function placeConstants(steps: readonly Step[]) {
  let end = 0;
  const addresses = steps.map((step) =>
    step.runs === 'island'
      ? []
      : step.constants.map((constant) => {
          const address = end;
          end = roundUp(end + constant.byteLength, ALIGNMENT);
          return address;
        }),
  );
  const byteLength = roundUp(end + SLACK_BYTES, PAGE_BYTES);
  const image = (): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(end);
    steps.forEach((step, index) => {
      if (step.runs === 'wasm') step.constants.forEach((constant, at) => bytes.set(constant, addresses[index]![at]));
    });
    return bytes;
  };
  return { addresses, byteLength, image };
}

/** The graph without weights and tables that the module reads from the image, and without constants that nothing else reads. */
function withoutImage(graph: QuantizedGraph, steps: readonly Step[]): QuantizedGraph {
  const read = new Set([...graph.outputs, ...heldConstants(graph)]);
  const operations = steps.map(({ runs, operation }) => {
    if (runs === 'island') for (const name of inputsOf(operation)) read.add(name);
    if (runs === 'island' || !('weights' in operation)) return operation;
    return { ...operation, weights: { ...operation.weights, data: new Int8Array(0) } };
  });
  return {
    ...graph,
    operations,
    constants: new Map([...graph.constants].filter(([name]) => read.has(name))),
    integers: new Map(),
  };
}
