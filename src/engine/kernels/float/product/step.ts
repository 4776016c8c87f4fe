import type { NhwcLayout } from '../../../plan/layout.ts';
import { stepFunction, type PlanContext, type Placement, type WasmStep } from '../../../plan/step.ts';
import { roundUp } from '../../../plan/layout.ts';
import type { FunctionBuilder, Local } from '../../../../wasm/index.ts';
import { emitPaddedInput, paddedInput, type Border } from '../../paddedInput.ts';
import { bytesOf } from '../../requantize.ts';
import { activationOf } from '../activation.ts';
import type { PlannedFloat } from '../planner.ts';
import { emitProduct, type PlacedWeights } from './emit.ts';
import { packColumns, packPanels, type WeightAt } from './pack.ts';
import { depthOf, paddedColumns, panelsOf, type Product } from './product.ts';

/** Float weights that stay in the cache while units pass. */
const CACHED_BYTES = 384 * 1024;

/** Weights as the file stores them: w = f32((q − zeroPoint) · scale), scale and zero point of a column. */
export interface IntegerWeights {
  readonly at: WeightAt;
  readonly scaleAt: (column: number) => number;
  readonly zeroPointAt: (column: number) => number;
}

/** What a product is made of. */
export interface ProductParts {
  readonly shape: Product;
  readonly input: { readonly name: string; readonly image: NhwcLayout; readonly border: Border };
  readonly kernel: string;
  readonly weightAt: WeightAt;
  /** Where the file has int8: they are stored so, and become float32 panel by panel. */
  readonly integers: IntegerWeights | undefined;
  readonly biasAt: (column: number) => number;
}

/** A product as one step: pads its input where it has a border, packs its weights when it is planned. */
export function productStep(operation: PlannedFloat, parts: ProductParts, context: PlanContext): WasmStep {
  const { shape, input, biasAt } = parts;
  const depth = depthOf(shape.runs);
  const floatBytes = shape.groups.count * depth * paddedColumns(panelsOf(shape)) * 4;
  const outermost = floatBytes <= CACHED_BYTES ? 'units' : 'panels';
  const packed = packedWeights(parts);
  const paddedBytes = paddedInput(input.image, input.border).scratchBytes;
  const panelBytes = outermost === 'units' ? floatBytes : depth * panelsOf(shape).width * 4;
  const bias = packColumns(shape, (column) => biasAt(column) + 0);
  return {
    runs: 'wasm',
    operation,
    kernel: `${parts.kernel}${parts.integers ? '.int8' : ''}`,
    macs: shape.units.total * depth * shape.columns * shape.groups.count,
    constants: [bytesOf(bias), ...packed.constants],
    scratchBytes: paddedBytes + (parts.integers ? roundUp(panelBytes, 64) : 0),
    units: shape.units.count,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, scratch, begin, end }) => {
        const source = { arena, source: place.address(input.name), scratch, fill: 0 };
        const start = emitPaddedInput(f, input.image, input.border, source);
        const output = f.local('i');
        f.get(arena).i32(place.address(operation.output)).op('i32.add').set(output);
        emitProduct(f, shape, {
          ...{ input: start, output, bias: place.constants[0] ?? 0, begin, end, outermost },
          weights: packed.place(f, place, { scratch, offset: paddedBytes }),
          activation: activationOf(operation, context),
        });
      }),
  };
}

interface PackedWeights {
  readonly constants: readonly Uint8Array[];
  /** Placed behind the bias. */
  readonly place: (
    f: FunctionBuilder,
    place: Placement,
    free: { readonly scratch: Local; readonly offset: number },
  ) => PlacedWeights;
}

function packedWeights({ shape, weightAt, integers }: ProductParts): PackedWeights {
  if (!integers) {
    const floats = packPanels(shape, weightAt, (length) => new Float32Array(length));
    return {
      constants: [bytesOf(floats)],
      place: (_, { constants }) => ({ stored: 'float', address: constants[1] ?? 0 }),
    };
  }
  const bytes = packPanels(shape, integers.at, (length) => new Int8Array(length));
  const scales = packColumns(shape, integers.scaleAt);
  const zeroPoints = packColumns(shape, integers.zeroPointAt);
  const symmetric = zeroPoints.every((zero) => zero === 0);
  return {
    constants: [bytes, scales, ...(symmetric ? [] : [zeroPoints])].map(bytesOf),
    place: (f, { constants }, { scratch, offset }) => {
      const panel = f.local('i');
      f.get(scratch).i32(offset).op('i32.add').set(panel);
      const [, weights = 0, scaleAt = 0, zeroPointAt = 0] = constants;
      const zeroes = symmetric ? undefined : zeroPointAt;
      return { stored: 'int8', packed: { weights, scales: scaleAt, zeroPoints: zeroes }, scratch: panel };
    },
  };
}
