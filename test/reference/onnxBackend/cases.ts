import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readTensorProto } from '../../../src/onnx/index.ts';
import type { Tensor } from '../../../src/tensor/index.ts';

/** One folder of the ONNX backend test suite: a model with inputs and the outputs that it must give. */
export interface BackendCase {
  readonly name: string;
  readonly directory: string;
}

export interface DataSet {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Cases of all folders under `ONNX_TEST_DATA`, by name; the folders `onnx-node-tests` and `onnx-node-tests-extra`. */
export function findCases(root: string): readonly BackendCase[] {
  const found = globSync('onnx-node-tests*/**/model.onnx', { cwd: root }).map((file) => {
    const directory = join(root, file, '..');
    return { name: basename(directory), directory };
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function modelBytes({ directory }: BackendCase): Uint8Array {
  return readFileSync(join(directory, 'model.onnx'));
}

/** Inputs and outputs of every data set of a case, in the order of the model's inputs and outputs. */
export function dataSets({ directory }: BackendCase): readonly DataSet[] {
  return readdirSync(directory)
    .filter((entry) => entry.startsWith('test_data_set_'))
    .map((entry) => ({
      inputs: tensorsOf(join(directory, entry), 'input'),
      outputs: tensorsOf(join(directory, entry), 'output'),
    }));
}

function tensorsOf(directory: string, kind: 'input' | 'output'): readonly Tensor[] {
  const result: Tensor[] = [];
  for (let index = 0; existsSync(join(directory, `${kind}_${index}.pb`)); index++)
    result.push(readTensorProto(readFileSync(join(directory, `${kind}_${index}.pb`))));
  return result;
}
