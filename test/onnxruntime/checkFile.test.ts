import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { checkOnnxFile, loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { colorNetwork, float, modelOf, node, type NetworkParts } from '../support/networks.ts';

const available = (await loadOnnxruntime()) !== undefined;

const file = (nodes: NetworkParts['nodes'], initializers: NetworkParts['initializers'] = {}): Uint8Array =>
  writeModel(
    modelOf({
      nodes,
      initializers,
      input: { name: 'image', shape: ['N', 3, 8, 8] },
      output: { name: 'y', shape: ['N', 3, 8, 8] },
    }),
  );

/** An operator that our import does not follow: the shapes behind it are onnxruntime's to tell. */
const einsum = (from: string, to: string, equation: string) =>
  node('Einsum', [from], [to], [{ name: 'equation', kind: 'string', value: equation }]);

const cast = (from: string, to: string, type: number) =>
  node('Cast', [from], [to], [{ name: 'to', kind: 'int', value: type }]);

/** `count` times as many elements, twice each time. */
const doublings = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    node('Concat', [`d${i}`, `d${i}`], [`d${i + 1}`], [{ name: 'axis', kind: 'int', value: 0 }]),
  );

const last = node('Relu', ['image'], ['y']);

describe.skipIf(!available)('a file that onnxruntime shall run as it is', () => {
  it('may have any batch, and operators that we do not know', async () => {
    await expect(checkOnnxFile(colorNetwork())).resolves.toBeUndefined();
    await expect(checkOnnxFile(file([einsum('image', 'y', 'nchw->nchw')]))).resolves.toBeUndefined();
  });

  it('is refused where a value of it would be too large, before anything is computed', async () => {
    const one = { c: float([1], [1]) };
    const nodes = (count: number, parts: number) => [
      einsum('c', 'd0', 'a->a'),
      ...doublings(count),
      node(
        'Concat',
        Array.from({ length: parts }, () => `d${count}`),
        ['whole'],
        [{ name: 'axis', kind: 'int', value: 0 }],
      ),
      node('ReduceMax', ['whole'], ['m']),
      node('Mul', ['image', 'm'], ['y']),
    ];
    await expect(checkOnnxFile(file(nodes(27, 2), one))).resolves.toBeUndefined();
    await expect(checkOnnxFile(file(nodes(28, 2), one))).rejects.toMatchObject({
      code: 'MODEL_TOO_COMPLEX',
      params: { value: 'whole' },
    });
    // In 32 bits such a sum is 0, or one part alone.
    for (const parts of [16, 17])
      await expect(checkOnnxFile(file(nodes(28, parts), one))).rejects.toMatchObject({ code: 'MODEL_TOO_COMPLEX' });
    await expect(checkOnnxFile(file(nodes(40, 1), one))).rejects.toBeInstanceOf(AppError);
  });

  it('is refused where a shape depends on data, or a rank', async () => {
    const size = { size: float([4], [1, 3, 8, 8]) };
    const shape = [einsum('size', 'copied', 'a->a'), cast('copied', 'shape', 7)];
    const files = [
      file([node('NonZero', ['image'], ['found']), last, cast('found', 'z', 1), node('Identity', ['z'], ['q'])]),
      file([...shape, node('ConstantOfShape', ['shape'], ['k']), node('Mul', ['image', 'k'], ['y'])], size),
      file(
        [...shape, node('Slice', ['shape', 'any', 'any'], ['part']), node('Expand', ['image', 'part'], ['y'])],
        size,
      ),
    ];
    for (const bytes of files) await expect(checkOnnxFile(bytes)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('is refused where onnxruntime refuses it', async () => {
    for (const nodes of [[node('Frobnicate', ['image'], ['y'])], [einsum('image', 'y', 'ab->a')]])
      await expect(checkOnnxFile(file(nodes))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});
