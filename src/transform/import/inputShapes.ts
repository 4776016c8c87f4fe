import { AppError } from '../../base/index.ts';
import { dataTypeName, dtypeOfDataType, type ModelProto, type ValueInfo } from '../../onnx/index.ts';
import { formatShape, type Dtype, type Shape, type Tensor } from '../../tensor/index.ts';

/** A network input as the file states it. */
export interface SourceInput {
  readonly name: string;
  readonly dtype: Dtype;
  /** Dimension 0 is undefined where the file leaves it open. */
  readonly shape: readonly [first: number | undefined, ...rest: number[]] | readonly [];
}

export type InputShapes = Readonly<Record<string, readonly number[]>>;

/**
 * The inputs that a caller feeds, with every dimension but the first a number.
 *
 * @throws AppError MODEL_OUT_OF_SCOPE for inputs that are not tensors of known rank and size, SHAPE_MISMATCH where
 *   `inputShapes` contradicts the file, MODEL_INVALID for a network without inputs
 */
export function readInputs(
  model: ModelProto,
  constants: ReadonlyMap<string, Tensor>,
  made: ReadonlySet<string>,
  inputShapes: InputShapes,
): readonly SourceInput[] {
  const fed = model.graph.inputs.filter(({ name }) => !constants.has(name) && !made.has(name));
  if (fed.length === 0) throw new AppError('MODEL_INVALID', 'The network has no inputs.');
  for (const name of Object.keys(inputShapes))
    if (!fed.some((input) => input.name === name))
      throw new AppError(
        'SHAPE_MISMATCH',
        `A shape is given for '${name}'; the inputs are ${fed.map((input) => `'${input.name}'`).join(', ')}.`,
      );
  return fed.map((input) =>
    readInput(input, Object.hasOwn(inputShapes, input.name) ? inputShapes[input.name] : undefined),
  );
}

function readInput({ name, type }: ValueInfo, given: readonly number[] | undefined): SourceInput {
  if (type.kind !== 'tensor') throw outOfScope(name, type.kind === 'none' ? 'has no type' : `is a ${type.kind}`);
  const dtype = dtypeOfDataType(type.elementType);
  if (!dtype) throw outOfScope(name, `is of ${dataTypeName(type.elementType)}`);
  const stated = type.shape?.map((size) => (typeof size === 'number' && size > 0 ? size : undefined));
  const shape = given ? mergeShapes(name, stated, given) : stated;
  if (!shape) throw outOfScope(name, 'has no shape; give one with inputShapes');
  const open = shape.flatMap((size, axis) => (axis > 0 && size === undefined ? [axis] : []));
  if (open.length > 0) {
    const written = `[${(type.shape ?? []).map((size) => String(size ?? '?')).join(', ')}]`;
    throw outOfScope(
      name,
      `has the shape ${written}: only the first dimension (the batch) may be free, fix axis ${open.join(', ')} with inputShapes`,
    );
  }
  const fixed = shape.map((size, axis) => (axis === 0 ? size : (size ?? 1))) as unknown as SourceInput['shape'];
  return { name, dtype: dtype === 'float16' ? 'float32' : dtype, shape: fixed };
}

function mergeShapes(name: string, stated: readonly (number | undefined)[] | undefined, given: Shape) {
  const fits =
    !stated ||
    (stated.length === given.length &&
      stated.every((size, axis) => size === undefined || axis === 0 || size === given[axis]));
  if (!fits || given.some((size, axis) => !(Number.isSafeInteger(size) && (size > 0 || (axis === 0 && size === -1)))))
    throw new AppError(
      'SHAPE_MISMATCH',
      `Input '${name}' cannot have the shape ${formatShape(given)}; the file says [${stated?.map((size) => String(size ?? '?')).join(', ') ?? '...'}].`,
      { input: name },
    );
  return given.map((size) => (size === -1 ? undefined : size));
}

function outOfScope(name: string, what: string): AppError {
  return new AppError('MODEL_OUT_OF_SCOPE', `Input '${name}' ${what}.`, { input: name });
}
