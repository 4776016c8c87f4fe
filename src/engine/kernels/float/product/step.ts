import type { FloatOperation } from '../../../../graph/index.ts';
import type { NhwcLayout } from '../../../plan/layout.ts';
import { stepFunction, type WasmStep } from '../../../plan/step.ts';
import { emitPaddedInput, paddedInput, type Border } from '../../paddedInput.ts';
import { bytesOf } from '../../requantize.ts';
import { emitProduct } from './emit.ts';
import { packColumns, packPanels, type WeightAt } from './pack.ts';
import { depthOf, type Product } from './product.ts';

/** Weights that stay in the cache while units pass. */
const CACHED_BYTES = 384 * 1024;

/** What a product is made of. */
export interface ProductParts {
  readonly shape: Product;
  readonly input: { readonly name: string; readonly image: NhwcLayout; readonly border: Border };
  readonly kernel: string;
  readonly weightAt: WeightAt;
  readonly biasAt: (column: number) => number;
}

/** A product as one step: pads its input where it has a border, packs its weights when it is planned. */
export function productStep(operation: FloatOperation, parts: ProductParts): WasmStep {
  const { shape, input, weightAt, biasAt } = parts;
  const weights = packPanels(shape, weightAt, (length) => new Float32Array(length));
  const bias = packColumns(shape, (column) => biasAt(column) + 0);
  const outermost = weights.byteLength <= CACHED_BYTES ? 'units' : 'panels';
  return {
    runs: 'wasm',
    operation,
    kernel: parts.kernel,
    macs: shape.units.total * depthOf(shape.runs) * shape.columns * shape.groups.count,
    constants: [bytesOf(weights), bytesOf(bias)],
    scratchBytes: paddedInput(input.image, input.border).scratchBytes,
    units: shape.units.count,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, scratch, begin, end }) => {
        const source = { arena, source: place.address(input.name), scratch, fill: 0 };
        const start = emitPaddedInput(f, input.image, input.border, source);
        const output = f.local('i');
        f.get(arena).i32(place.address(operation.output)).op('i32.add').set(output);
        const [weightsAt = 0, biasAddress = 0] = place.constants;
        emitProduct(f, shape, {
          ...{ input: start, output, weights: weightsAt, bias: biasAddress, begin, end, outermost },
        });
      }),
  };
}
