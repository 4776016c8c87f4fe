import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../../wasm/index.ts';
import { emitFollower, stepFunction, type Placement } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitPaddedInput } from '../paddedInput.ts';
import { placesOf } from '../gemm/product.ts';
import { blocksOf, CHUNK_PAIRS, chunksOf, scratchOf, stridesOf, type FastConv } from './fast.ts';
import { emitInputs } from './inputs.ts';
import { outputEmitter } from './outputs.ts';
import { productsFunction } from './products.ts';
import { emitWeightsRows, rowPairsOf, storedPairBytes } from './weights.ts';

/**
 * A 3x3 convolution with less than half of the products, or a fourth of them:
 *
 *   for each block of tiles:                     transformed inputs and sums stay in the second cache
 *     for each tile: V = Bᵀ d B                  (points x points) vectors of all channels
 *     for each panel of 16 output channels:
 *       for each chunk of input channels, for each row i of points:
 *         U[i] = row i of G g Gᵀ                 anew for each block: stored, it would take 3.5 to 8 times the memory of g
 *         M[i] += V[i] · U[i]                    one matrix product a point, tiles x input channels x 16
 *       for each tile: y = requantize(Aᵀ M A)
 *
 *       d 6x6         V, U, M 6x6 each          y 4x4
 *    ┌───────────┐     ┌───────────┐
 *    │           │     │           │          ┌───────┐
 *    │  input    │ ──▸ │  V ⊙ U    │ ──▸ M ──▸ │ tile  │
 *    │           │     │           │          └───────┘
 *    └───────────┘     └───────────┘
 */
export function emitFastConv(
  module: ModuleBuilder,
  conv: FastConv,
  place: Placement,
  follower?: FunctionReference,
): FunctionReference {
  const products = productsFunction(module, conv);
  return stepFunction(module, (f, { arena, scratch, begin, end }) => {
    const padded = emitPaddedInput(f, conv.input, conv, {
      arena,
      source: place.address(conv.inputName),
      scratch,
      fill: conv.inputZeroPoint,
    });
    const [unit, endOfBlock, block, panel] = f.locals('i', 4) as [Local, Local, Local, Local];
    const outputs = outputEmitter(f, conv, place, { arena, scratch, block, panel });
    f.get(begin).set(unit);
    f.loop((moreIf) => {
      emitUnit(f, conv, { unit, end, endOfBlock, block, panel });
      emitLastFits(f, block, conv.tiles, conv.blockTiles);
      emitInputs(f, conv, { padded, scratch, block });
      f.repeat(unit, { start: unit, end: endOfBlock, step: 1 }, () => {
        emitSums(f, conv, place, { scratch, panel, products });
        outputs();
        emitFollower(f, follower, { arena, scratch, panel });
        f.get(panel).i32(1).op('i32.add').set(panel);
      });
      f.get(unit).get(end).op('i32.lt_s');
      moreIf();
    });
  });
}

/** M of a panel: row by row of U, which so stays in the first cache until its products are summed. */
function emitSums(
  f: FunctionBuilder,
  conv: FastConv,
  place: Placement,
  {
    scratch,
    panel,
    products,
  }: { readonly scratch: Local; readonly panel: Local; readonly products: FunctionReference },
): void {
  const { form } = conv;
  const pairs = conv.input.channelStride / 2;
  const pairBytes = storedPairBytes(conv);
  const [weightsAt] = placesOf(place);
  const [first, count, from] = f.locals('i', 3) as [Local, Local, Local];
  if (chunksOf(conv) > 1) {
    f.get(scratch).i32(scratchOf(conv).sums).op('i32.add').i32(0);
    f.i32(form.points ** 2 * stridesOf(conv).sums).op('memory.fill');
  }
  f.repeat(first, { start: 0, end: pairs, step: CHUNK_PAIRS }, () => {
    f.i32(pairs).get(first).op('i32.sub').set(count);
    f.block((smallerIf) => {
      f.get(count).i32(CHUNK_PAIRS).op('i32.lt_s');
      smallerIf();
      f.i32(CHUNK_PAIRS).set(count);
    });
    f.get(panel).i32(pairs).op('i32.mul').get(first).op('i32.add').i32(pairBytes).op('i32.mul');
    f.i32(weightsAt).op('i32.add').set(from);
    for (const rows of rowPairsOf(form)) {
      emitWeightsRows(f, conv, rows, { scratch, from, count });
      rows.forEach((row, slot) => f.get(scratch).i32(row).i32(slot).get(first).get(count).call(products));
    }
  });
}

/** From the unit, a panel of a block: the block's first tile, the panel, and where the range leaves the block. */
function emitUnit(
  f: FunctionBuilder,
  { panels, blockTiles }: FastConv,
  locals: Readonly<Record<'unit' | 'end' | 'endOfBlock' | 'block' | 'panel', Local>>,
): void {
  const { unit, end, endOfBlock, block, panel } = locals;
  f.get(unit).i32(panels).op('i32.div_u').set(block);
  f.get(unit).get(block).i32(panels).op('i32.mul').op('i32.sub').set(panel);
  f.get(block).i32(1).op('i32.add').i32(panels).op('i32.mul').set(endOfBlock);
  f.block((insideIf) => {
    f.get(endOfBlock).get(end).op('i32.le_s');
    insideIf();
    f.get(end).set(endOfBlock);
  });
  f.get(block).i32(blockTiles).op('i32.mul').set(block);
}

/** Panels of blocks. */
export const unitsOf = (conv: FastConv): number => blocksOf(conv) * conv.panels;
