import { AppError, toProblem } from '../base/index.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import { outlineModel } from '../transform/index.ts';
import { checkFinite, kindOf, preflight, settingsOf } from './preflightModel.ts';
import type { Preflight } from './threads/protocol.ts';

/**
 * The pre-flight of a model; where operators stand in its way, that refusal with what the file says of itself, for
 * onnxruntime may know them.
 *
 * @throws AppError of the model file group; UNSUPPORTED_OPERATOR where the file does not say enough of itself
 */
export function preflightOrOutline(bytes: Uint8Array, externalData: ReadonlyMap<string, Uint8Array>): Preflight {
  try {
    return preflight(bytes, externalData);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'UNSUPPORTED_OPERATOR') throw error;
    return outline(bytes, externalData, error);
  }
}

function outline(bytes: Uint8Array, externalData: ReadonlyMap<string, Uint8Array>, refusal: AppError): Preflight {
  const model = readModel(bytes, { externalData });
  checkFinite(model.graph.initializers.map(({ name, tensor }) => [name, tensor]));
  try {
    return {
      kind: kindOf(model),
      summary: { ...outlineModel(model), unsupported: refusal.message },
      ...settingsOf(model),
      golden: undefined,
      selfContained: externalData.size === 0 ? undefined : writeModel(model),
      refusal: toProblem(refusal),
    };
  } catch (error) {
    throw error instanceof AppError ? refusal : error;
  }
}
