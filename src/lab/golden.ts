import { createHash } from 'node:crypto';
import { present, seededRandom } from '../base/index.ts';
import { BATCH, type QuantizedGraph } from '../graph/index.ts';
import { tensor, type Tensor, type TensorMap } from '../tensor/index.ts';

const GOLDEN_SEED = 1;

/** One sample that depends on the graph's inputs alone: the same on every machine and in every version of the service. */
export function goldenFeeds(graph: QuantizedGraph): TensorMap {
  const random = seededRandom(GOLDEN_SEED);
  const feeds = new Map<string, Tensor>();
  for (const name of graph.inputs) {
    const value = present(graph.values.get(name), `input '${name}'`);
    const shape = value.shape.map((dim) => (dim === BATCH ? 1 : dim));
    const fed = tensor(value.kind === 'quantized' ? value.storedAs : value.dtype, shape);
    const { data } = fed;
    for (let i = 0; i < data.length; i++) {
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(Math.floor(random() * 2));
      else if (fed.dtype === 'float32') data[i] = Math.fround(random() * 4 - 2);
      else data[i] = data instanceof Int8Array ? Math.floor(random() * 256) - 128 : Math.floor(random() * 128);
    }
    feeds.set(name, fed as Tensor);
  }
  return feeds;
}

/** sha-256 over the outputs (in the graph's order) that `run` gives for the golden feeds. */
export function goldenHash(graph: QuantizedGraph, run: (feeds: TensorMap) => TensorMap): string {
  const outputs = run(goldenFeeds(graph));
  const hash = createHash('sha256');
  for (const name of graph.outputs) {
    const { data } = present(outputs.get(name), `output '${name}'`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
