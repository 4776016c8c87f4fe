import { present } from '../../../base/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import {
  emptyStep,
  stepFunction,
  type KernelPlanner,
  type Placement,
  type PlanContext,
  type WasmStep,
} from '../../plan/step.ts';
import { isContiguous } from '../../plan/layout.ts';
import { bytesOf } from '../requantize.ts';
import { foldCopies, type Copy } from './copies.ts';
import { ANY, KEPT, movedInputs, PAD, sourcesOf, type MoveOperation, type Sources } from './elements.ts';
import { emitCopy, type Source } from './emitCopies.ts';
import { isMove } from './operators.ts';
import { emitPixelShuffle, pixelShuffle } from './shuffle.ts';
import { gatherTable, emitGather } from './table.ts';

/** More nests than this are read from a table instead. */
const MOST_NESTS = 24;

/** One output of a move. */
export interface Moved {
  readonly output: string;
  readonly copies: readonly Copy[];
}

/**
 * Layout operators and Concat as nested copies of runs: where each element comes from is found by running the operator itself
 * on element numbers. What does not fold into a few nests (Gather by any indices) goes through a table of sources.
 */
export const planMove: KernelPlanner = (operation, context) => {
  if (!isMove(operation)) return undefined;
  const move = operation as MoveOperation;
  const outputs = move.kind === 'float' && !move.then ? move.node.outputs : [move.output];
  const inputs = movedInputs(move);
  if (outputs.length > 1 && move.kind === 'float' && move.node.opType === 'Dropout') return undefined;
  const moved: Moved[] = [];
  for (const [at, name] of outputs.entries()) {
    if (name === '') continue;
    const index = move.kind === 'layout' ? move.outputIndex : at;
    const sources = sourcesOf(move, { name, index }, context);
    if (!sources) return undefined;
    const keeps = sources.operands.includes(KEPT);
    if (keeps && sources.operands.every((operand) => operand === KEPT || operand === ANY))
      return emptyStep(operation, 'move.inPlace');
    const shuffle = outputs.length === 1 && !keeps ? shuffleOf(move, inputs, sources, context) : undefined;
    if (shuffle) return shuffle;
    const copies = foldCopies(sources);
    if (copies.length <= MOST_NESTS) moved.push({ output: name, copies });
    else if (outputs.length === 1 && !keeps) return tableStep(move, inputs, sources, context);
    else return undefined;
  }
  return copyStep(move, inputs, moved, context);
};

/** Pixels rearranged by shuffles, where their bytes are too scattered to be copied in whole vectors. */
function shuffleOf(
  operation: MoveOperation,
  inputs: readonly string[],
  sources: Sources,
  { graph, layouts }: PlanContext,
): WasmStep | undefined {
  const images = [operation.output, ...inputs].map((name) => layouts.get(name));
  const steps = images.flatMap((layout) => (layout?.kind === 'nhwc' ? [layout.pixelStride] : []));
  const pixels = images.map((layout) => (layout?.kind === 'nhwc' ? layout.height * layout.width : 0));
  if (steps.length !== images.length || pixels.some((count) => count !== pixels[0])) return undefined;
  if (inputs.some((name) => graph.values.get(name)?.kind !== 'quantized')) return undefined;
  if (images[0] && !isContiguous(images[0])) return undefined;
  const [output = 0, ...inputSteps] = steps;
  const shuffle = pixelShuffle(sources, { output, inputs: inputSteps });
  if (!shuffle) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: 'move.shuffle',
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: shuffle.pixels,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const pointer = (name: string, step: number): Local => {
          const local = f.local('i');
          f.get(begin).i32(step).op('i32.mul').get(arena).op('i32.add').i32(place.address(name)).op('i32.add');
          f.set(local);
          return local;
        };
        const target = pointer(operation.output, output);
        const pointers = inputs.map((name, at) => pointer(name, inputSteps[at]!));
        emitPixelShuffle(f, shuffle, { sources: pointers, target, begin, end });
      }),
  };
}

function constantsOf(inputs: readonly string[], { graph }: PlanContext): Map<string, Uint8Array> {
  const held = inputs.flatMap((name) => {
    const constant = graph.values.get(name)?.kind === 'quantized' ? undefined : graph.constants.get(name);
    return constant ? [[name, bytesOf(constant.data)] as const] : [];
  });
  return new Map(held);
}

/** Pushes the address of an input: in the arena, or among the constants. */
function emitStart(
  f: FunctionBuilder,
  name: string,
  arena: Local,
  { constants, place }: { readonly constants: readonly string[]; readonly place: Placement },
): void {
  const at = constants.indexOf(name);
  if (at >= 0) f.i32(place.constants[at] ?? 0);
  else f.get(arena).i32(place.address(name)).op('i32.add');
}

/** Threads share the outermost loop where all nests have the same. */
function unitsOf(moved: readonly Moved[]): number {
  const counts = moved.flatMap(({ copies }) => copies.map(({ loops }) => loops[0]?.count ?? 1));
  const [first = 1] = counts;
  return counts.every((count) => count === first) ? first : 1;
}

function copyStep(
  operation: MoveOperation,
  inputs: readonly string[],
  moved: readonly Moved[],
  context: PlanContext,
): WasmStep {
  const constants = constantsOf(inputs, context);
  const names = [...constants.keys()];
  const units = unitsOf(moved);
  const fill = fillOf(operation, context);
  return {
    runs: 'wasm',
    operation,
    kernel: 'move.copies',
    macs: 0,
    constants: [...constants.values(), fill],
    scratchBytes: 0,
    units,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const vector = f.local('v');
        const zero = f.local('i');
        if (moved.some(({ copies }) => copies.some(({ operand }) => operand === PAD)))
          f.get(zero)
            .op('v128.load', { offset: place.constants[names.length] ?? 0 })
            .set(vector);
        for (const { output, copies } of moved) {
          const target = (): void => {
            f.get(arena).i32(place.address(output)).op('i32.add');
          };
          for (const copy of copies) {
            const name = inputs[copy.operand] ?? '';
            const source: Source =
              copy.operand === PAD
                ? { kind: 'fill', vector }
                : { kind: 'memory', start: () => emitStart(f, name, arena, { constants: names, place }) };
            emitCopy(f, { copy, source, target, range: units > 1 ? { begin, end } : undefined });
          }
        }
      }),
  };
}

/** Sixteen bytes of what a Pad node adds: its constant; or the zero point, which is real 0. */
function fillOf(operation: MoveOperation, { graph }: PlanContext): Uint8Array {
  const value = present(graph.values.get(operation.output), operation.output);
  const isPad = operation.kind !== 'concat' && operation.node.opType === 'Pad';
  const constant = isPad ? graph.constants.get(operation.node.inputs[2] ?? '') : undefined;
  const absent = value.kind === 'quantized' ? Uint8Array.of(value.zeroPoint) : new Uint8Array(8);
  const element = constant ? bytesOf(constant.data) : absent;
  return Uint8Array.from({ length: 16 }, (_, at) => element[at % element.length]!);
}

function tableStep(
  operation: MoveOperation,
  inputs: readonly string[],
  sources: Sources,
  context: PlanContext,
): WasmStep | undefined {
  const table = gatherTable(sources);
  const constants = constantsOf(inputs, context);
  if (!table || constants.size > 0) return undefined;
  const addresses = new Int32Array(table.operands.length);
  return {
    runs: 'wasm',
    operation,
    kernel: 'move.table',
    macs: 0,
    constants: [bytesOf(addresses)],
    scratchBytes: 0,
    units: addresses.length,
    emit: (module, place) => {
      const [tableAt = 0] = place.constants;
      for (let index = 0; index < addresses.length; index++) {
        const operand = table.operands[index]!;
        // what comes from nowhere stays as it is
        addresses[index] =
          operand < 0
            ? place.address(operation.output) + index * table.width
            : place.address(inputs[operand]!) + table.offsets[index]!;
      }
      return stepFunction(module, (f, parameters) =>
        emitGather(f, parameters, { table, to: place.address(operation.output), tableAt }),
      );
    },
  };
}
