import { describe, expect, it } from 'vitest';
import { compile } from '../../src/engine/index.ts';
import { goldenFeeds, goldenHash } from '../../src/lab/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { importModel, lowerQdq } from '../../src/transform/index.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';

/** ONNX numbers of element types. */
const elementTypes = { uint8: 2, int8: 3 } as const;

/** The network without its first QuantizeLinear: it takes bytes. */
function networkOfBytes(dtype: keyof typeof elementTypes) {
  const model = readModel(qdqNetwork());
  const { nodes, inputs, initializers } = model.graph;
  const input = { name: 'xq', type: { kind: 'tensor', elementType: elementTypes[dtype], shape: shapeOf(inputs) } };
  const zero = dtype === 'uint8' ? tensor('uint8', [], Uint8Array.of(128)) : tensor('int8', [], Int8Array.of(0));
  const graph = {
    ...model.graph,
    nodes: nodes.filter(({ outputs }) => !outputs.includes('xq')),
    inputs: [input],
    initializers: initializers.map((item) => (item.name === 'zx' ? { ...item, tensor: zero } : item)),
  };
  return lowerQdq(importModel({ ...model, graph } as typeof model));
}

function shapeOf([input]: ReturnType<typeof readModel>['graph']['inputs']) {
  return input?.type.kind === 'tensor' ? input.type.shape : undefined;
}

describe('golden feeds', () => {
  it.each(['uint8', 'int8'] as const)('are what a network of %s input takes', (dtype) => {
    const graph = networkOfBytes(dtype);
    const feed = goldenFeeds(graph).get('xq');
    expect(feed).toMatchObject({ dtype, shape: [1, 3, 8, 8] });
    const expected = goldenHash(graph, (feeds) => runQuantized(graph, feeds));
    expect(goldenHash(graph, (feeds) => compile(graph).run(feeds))).toBe(expected);
  });

  it('reach both signs of int8', () => {
    const data = [...(goldenFeeds(networkOfBytes('int8')).get('xq')?.data ?? [])].map(Number);
    expect(Math.min(...data)).toBeLessThan(-100);
    expect(Math.max(...data)).toBeGreaterThan(100);
  });
});
