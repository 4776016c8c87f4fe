import { invariant, present } from '../../base/index.ts';
import type { ConcatOperation, LayoutOperation, QuantizedValue } from '../../graph/index.ts';
import { runNode } from '../../reference/index.ts';
import { elementCount, tensor, type Tensor } from '../../tensor/index.ts';
import type { Local } from '../../wasm/index.ts';
import { physicalOffsets, roundUp } from '../plan/layout.ts';
import { stepFunction, type KernelPlanner, type PlanContext, type WasmStep } from '../plan/step.ts';
import { bytesOf } from './requantize.ts';

/** A byte that no element of the output lies in: padding of the layout, where any byte will do. */
const ANY = -1;

/** A byte that a Pad node adds. */
const PAD = -2;

/** Where each byte of the output comes from: input `operand`, byte `offset` of it; or `operand` is ANY or PAD. */
interface Moves {
  readonly operands: Int32Array;
  readonly offsets: Int32Array;
}

/**
 * Layout operators and Concat as a table of source addresses, found by running the operator itself on element numbers.
 * Where all bytes of each 16-byte block of the output are adjacent in one input, blocks are moved whole.
 */
export const planMove: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'layout' && operation.kind !== 'concat') return undefined;
  const sources = operation.kind === 'concat' ? operation.inputs : [operation.input];
  const moves = movesOf(operation, sources, context);
  if (!moves) return undefined;
  const output = present(context.layouts.get(operation.output), operation.output);
  const blocks = wholeBlocks(moves);
  const fill = fillOf(operation, context);
  return moveStep(operation, sources, { moves, blocks, byteLength: roundUp(output.byteLength, 16), fill });
};

/** The byte that a Pad node adds: its constant, or the zero point, which is real 0. */
function fillOf(operation: LayoutOperation | ConcatOperation, { graph }: PlanContext): number {
  const value = graph.values.get(operation.output);
  invariant(value?.kind === 'quantized', `'${operation.output}' is not quantized`);
  const [, , name = ''] = operation.kind === 'layout' && operation.node.opType === 'Pad' ? operation.node.inputs : [];
  return name === '' ? value.zeroPoint : Number(present(graph.constants.get(name), name).data[0]);
}

function movesOf(
  operation: LayoutOperation | ConcatOperation,
  sources: readonly string[],
  context: PlanContext,
): Moves | undefined {
  const values = sources.map((name) => context.graph.values.get(name));
  const output = context.graph.values.get(operation.output);
  if (output?.kind !== 'quantized' || values.some((value) => value?.kind !== 'quantized')) return undefined;
  let first = 0;
  const starts: number[] = [];
  const numbered = values.map((value) => {
    const shape = (value as QuantizedValue).shape;
    const count = elementCount(shape);
    const start = first;
    starts.push(start);
    first += count;
    return tensor(
      'int32',
      shape,
      Int32Array.from({ length: count }, (_, index) => start + index),
    );
  });
  const elements = runOnNumbers(operation, numbered, context);
  const offsets = sources.map((name, index) =>
    physicalOffsets(present(context.layouts.get(name), name), numbered[index]!.data.length),
  );
  const layout = present(context.layouts.get(operation.output), operation.output);
  const target = physicalOffsets(layout, elements.length);
  const bytes = roundUp(layout.byteLength, 16);
  const moves = { operands: new Int32Array(bytes).fill(ANY), offsets: new Int32Array(bytes) };
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index]!;
    if (element === PAD) {
      moves.operands[target[index]!] = PAD;
      continue;
    }
    let operand = starts.length - 1;
    while (starts[operand]! > element) operand--;
    moves.operands[target[index]!] = operand;
    moves.offsets[target[index]!] = offsets[operand]![element - starts[operand]!]!;
  }
  return moves;
}

/** The operator on numbered elements; PAD where it adds one. */
function runOnNumbers(
  operation: LayoutOperation | ConcatOperation,
  numbered: readonly Tensor[],
  context: PlanContext,
): Int32Array {
  if (operation.kind === 'concat') {
    const attributes = new Map([['axis', operation.axis]]);
    const node = {
      name: operation.name,
      opType: 'Concat',
      domain: '',
      inputs: operation.inputs,
      outputs: [],
      attributes,
    };
    return numbersOf(runNode(node, numbered)[0]);
  }
  const { node } = operation;
  const operands = node.inputs.map((name, index) => {
    if (index === 0) return numbered[0];
    return name === '' ? undefined : context.graph.constants.get(name);
  });
  if (node.opType === 'Pad') operands[2] = tensor('int32', [], Int32Array.of(PAD));
  return numbersOf(runNode(node, operands)[operation.outputIndex]);
}

function numbersOf(result: Tensor | undefined): Int32Array {
  invariant(result?.dtype === 'int32', 'layout operators keep the element type');
  return result.data;
}

/** Source of each 16-byte block, or undefined if some block is not of one source. */
function wholeBlocks({ operands, offsets }: Moves): Moves | undefined {
  const count = operands.length / 16;
  const blocks = { operands: new Int32Array(count).fill(ANY), offsets: new Int32Array(count) };
  for (let block = 0; block < count; block++) {
    for (let lane = 0; lane < 16; lane++) {
      const at = block * 16 + lane;
      if (operands[at] === ANY) continue;
      const start = offsets[at]! - lane;
      if (lane === 0) {
        blocks.operands[block] = operands[at]!;
        blocks.offsets[block] = start;
      } else if (blocks.operands[block] !== operands[at]) return undefined;
      else if (operands[at] !== PAD && blocks.offsets[block] !== start) return undefined;
    }
  }
  // a block that begins with padding of the layout and goes on with elements is not whole
  return blocks;
}

interface MovePlan {
  readonly moves: Moves;
  readonly blocks: Moves | undefined;
  readonly byteLength: number;
  /** The byte of PAD. */
  readonly fill: number;
}

function moveStep(operation: LayoutOperation | ConcatOperation, sources: readonly string[], plan: MovePlan): WasmStep {
  const { blocks, moves, byteLength, fill } = plan;
  const chosen = blocks ?? moves;
  const count = chosen.operands.length;
  const width = blocks ? 16 : 1;
  const table = new Int32Array(count);
  invariant(byteLength === count * width, 'a move covers its output');
  const step: WasmStep = {
    runs: 'wasm',
    operation,
    kernel: blocks ? 'move.blocks' : 'move.bytes',
    macs: 0,
    constants: [bytesOf(table)],
    scratchBytes: 0,
    units: count,
    emit: (module, place) => {
      for (let index = 0; index < count; index++) {
        const operand = chosen.operands[index]!;
        // what comes from nowhere stays as it is: the fill, or any byte
        table[index] =
          operand < 0
            ? place.address(operation.output) + index * width
            : place.address(sources[operand]!) + chosen.offsets[index]!;
      }
      return stepFunction(module, (f, { arena, begin, end }) => {
        const [unit, to] = f.locals('i', 2) as [Local, Local];
        const [tableAt = 0] = place.constants;
        f.get(begin).i32(width).op('i32.mul').get(arena).op('i32.add');
        f.i32(place.address(operation.output)).op('i32.add').set(to);
        if (chosen.operands.includes(PAD)) {
          f.get(to).i32(fill).get(end).get(begin).op('i32.sub').i32(width).op('i32.mul').op('memory.fill');
        }
        f.repeat(unit, { start: begin, end, step: 1 }, () => {
          f.get(to).get(unit).i32(4).op('i32.mul').op('i32.load', { offset: tableAt }).get(arena).op('i32.add');
          if (blocks) f.op('v128.load').op('v128.store');
          else f.op('i32.load8_u').op('i32.store8');
          f.get(to).i32(width).op('i32.add').set(to);
        });
      });
    },
  };
  return step;
}
