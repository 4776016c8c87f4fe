import { gaussian, present, seededRandom } from '../../base/index.ts';
import { BATCH, type Graph } from '../../graph/index.ts';
import { tensor, type Tensor, type TensorMap } from '../../tensor/index.ts';

/** Seeded inputs of a network: floats near N(0, 1), as normalized images are, bytes uniform. A fixed batch stays. */
export function randomFeeds(graph: Graph, options: { batch: number; seed?: number }): TensorMap {
  const random = seededRandom(options.seed ?? 1);
  const feeds = new Map<string, Tensor>();
  for (const name of graph.inputs) {
    const type = present(graph.types.get(name), `type of '${name}'`);
    const shape = type.shape.map((dim) => (dim === BATCH ? options.batch : dim));
    if (type.dtype === 'uint8') {
      const value = tensor('uint8', shape);
      for (let i = 0; i < value.data.length; i++) value.data[i] = Math.floor(random() * 256);
      feeds.set(name, value);
    } else {
      const value = tensor('float32', shape);
      for (let i = 0; i < value.data.length; i++) value.data[i] = gaussian(random);
      feeds.set(name, value);
    }
  }
  return feeds;
}
