import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel, type ModelProto, type NodeProto } from '../../src/onnx/index.ts';
import { Contract, exchangeOf, readOpenapi } from '../support/contract.ts';
import { colorImage, colorZip } from '../support/images.ts';
import { colorNetwork, node } from '../support/networks.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';
import { multipart, octets, startTestService, type TestService } from '../support/service.ts';

/** Gives a value back under another name, by an operator that we do not import and onnxruntime has. */
const same = (from: string, to: string): NodeProto =>
  node('Einsum', [from], [to], [{ name: 'equation', kind: 'string', value: 'nchw->nchw' }]);

/** Puts `same` behind the value of that name. */
function withEinsum(bytes: Uint8Array, value: string): ModelProto {
  const model = readModel(bytes);
  const nodes = model.graph.nodes.flatMap((item) => {
    const inputs = item.inputs.map((name) => (name === value ? `${value}.same` : name));
    const made = item.outputs.includes(value) ? [same(value, `${value}.same`)] : [];
    return [{ ...item, inputs }, ...made];
  });
  return { ...model, graph: { ...model.graph, nodes } };
}

const float = writeModel(withEinsum(colorNetwork(), 'relu'));
const quantized = writeModel(withEinsum(qdqNetwork(), 'c'));

/** The outputs lose their shapes: what such a network answers cannot be said. */
function rankless(): Uint8Array {
  const model = readModel(float);
  const outputs = model.graph.outputs.map(({ name }) => ({
    name,
    type: { kind: 'tensor', elementType: 1, shape: undefined } as const,
  }));
  return writeModel({ ...model, graph: { ...model.graph, outputs } });
}

interface Tensor {
  readonly name: string;
  readonly data: readonly number[];
}

const upload = (name: string, file: Uint8Array): InjectOptions => ({
  method: 'POST',
  url: `/v1/models/${name}/versions`,
  ...octets(file),
});

describe('a network that only onnxruntime can run', () => {
  let contract: Contract;
  let service: TestService;

  beforeAll(async () => {
    contract = new Contract(await readOpenapi());
    service = await startTestService();
  });
  afterAll(() => service.stop());

  async function send(options: InjectOptions, status: number): Promise<LightMyRequestResponse> {
    const answer = await service.inject(options);
    expect(answer.statusCode, answer.body.slice(0, 500)).toBe(status);
    contract.expect(exchangeOf(answer));
    return answer;
  }

  const infer = (model: string, shape: readonly number[]): InjectOptions => ({
    method: 'POST',
    url: `/v2/models/${model}/infer`,
    payload: {
      inputs: [
        {
          name: 'image',
          shape: [...shape],
          datatype: 'FP32',
          data: Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
        },
      ],
    },
  });

  it('is stored, with what stands in the way of anything else', async () => {
    const answer = await send(upload('einsum', float), 201);
    expect(answer.json()).toMatchObject({
      kind: 'fp32',
      live: true,
      preflight: { verdict: 'supported', executor: 'onnxruntime' },
      inputs: [{ name: 'image', dtype: 'float32', shape: [-1, 3, 8, 8] }],
      outputs: [{ name: 'scores', dtype: 'float32', shape: [-1, 4] }],
      operators: { Conv: 1, Einsum: 1, Gemm: 1 },
    });
    const { reason } = answer.json<{ preflight: { reason: string } }>().preflight;
    expect(reason).toContain("'relu.same' (Einsum)");
    expect((await send({ url: '/v2/models/einsum' }, 200)).json()).toMatchObject({ platform: 'onnxruntime_onnx' });
  });

  it('classifies images and says what ran it', async () => {
    await send(upload('plain', colorNetwork()), 201);
    const image: InjectOptions = { payload: await colorImage('green', 1), headers: { 'content-type': 'image/png' } };
    const predict = async (name: string) =>
      (await send({ method: 'POST', url: `/v1/models/${name}/predict`, ...image }, 200)).json<{ classes: unknown }>();
    const answer = await predict('einsum');
    expect(answer).toMatchObject({ kind: 'fp32', executor: 'onnxruntime', classes: [{ index: 1 }, {}, {}, {}] });
    const plain = await predict('plain');
    expect(plain).toMatchObject({ executor: 'float' });
    expect(answer.classes).toEqual(plain.classes);
  });

  it('answers tensors of any batch', async () => {
    const answers = await Promise.all(
      ['einsum', 'plain'].map(async (name) =>
        (await send(infer(name, [3, 3, 8, 8]), 200)).json<{ outputs: Tensor[]; parameters: unknown }>(),
      ),
    );
    expect(answers.map(({ parameters }) => parameters)).toEqual([{ executor: 'onnxruntime' }, { executor: 'float' }]);
    expect(answers[0]?.outputs).toEqual(answers[1]?.outputs);
    expect(answers[0]?.outputs[0]?.data).toHaveLength(12);
  });

  it('may be quantized already', async () => {
    expect((await send(upload('qdq', quantized), 201)).json()).toMatchObject({
      kind: 'int8',
      preflight: { executor: 'onnxruntime' },
    });
    expect((await send(upload('engine', qdqNetwork()), 201)).json()).toMatchObject({
      preflight: { executor: 'octet' },
    });
    const [theirs, ours] = await Promise.all(
      ['qdq', 'engine'].map(async (name) =>
        (await send(infer(name, [1, 3, 8, 8]), 200)).json<{ outputs: [Tensor]; parameters: unknown }>(),
      ),
    );
    expect(theirs?.parameters).toEqual({ executor: 'onnxruntime' });
    expect(ours?.parameters).toEqual({ executor: 'octet' });
    const values = ours?.outputs[0].data ?? [];
    // One step of the output's scale, which is 0.1.
    for (const [i, value] of (theirs?.outputs[0].data ?? []).entries())
      expect(Math.abs(value - (values[i] ?? NaN))).toBeLessThanOrEqual(0.1001);
  });

  it('is not quantized, neither later nor in one call', async () => {
    const data = await send({ method: 'POST', url: '/v1/datasets', ...octets(await colorZip(4)) }, 201);
    const { id: calibration } = data.json<{ id: string }>();
    const job: InjectOptions = { method: 'POST', url: '/v1/jobs', payload: { model: 'einsum', calibration } };
    const refused = (await send(job, 422)).json<{ code: string; detail: string }>();
    expect(refused.code).toBe('UNSUPPORTED_OPERATOR');
    expect(refused.detail).toContain("'relu.same' (Einsum)");
    const form = await multipart([
      { name: 'name', value: 'oneshot' },
      { name: 'model', value: float, fileName: 'm.onnx' },
      { name: 'recipe', value: '{"activations":"none"}' },
    ]);
    const answer = await send({ method: 'POST', url: '/v1/quantize', ...form }, 422);
    expect(answer.json()).toMatchObject({ code: 'UNSUPPORTED_OPERATOR', nodes: [{ opType: 'Einsum' }] });
  });

  it('is refused where onnxruntime does not take it or its outputs are not known, and nothing is kept', async () => {
    const before = await service.files();
    const broken = readModel(float);
    const nodes = broken.graph.nodes.map((item) => (item.opType === 'Einsum' ? { ...item, attributes: [] } : item));
    for (const file of [writeModel({ ...broken, graph: { ...broken.graph, nodes } }), rankless()]) {
      const answer = await send(upload('refused', file), 422);
      expect(answer.json()).toMatchObject({ code: 'UNSUPPORTED_OPERATOR', nodes: [{ opType: 'Einsum' }] });
    }
    await send({ url: '/v1/models/refused' }, 404);
    expect(await service.files()).toEqual(before);
  });
});

/** Keeps the worker process, which is started with this environment, from finding the package. */
const withoutPackage = `--import=data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from 'node:module';
   registerHooks({ resolve(name, context, next) {
     if (name === 'onnxruntime-node') throw new Error('not installed');
     return next(name, context);
   } });`,
)}`;

describe('without onnxruntime', () => {
  let service: TestService;
  const before = process.env['NODE_OPTIONS'];

  beforeAll(async () => {
    process.env['NODE_OPTIONS'] = `${before ?? ''} ${withoutPackage}`;
    service = await startTestService();
  });
  afterAll(async () => {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
    await service.stop();
  });

  it('such a network is refused with each node that stands in the way', async () => {
    const engine = await service.inject({ url: '/v1/engine' });
    expect(engine.json()).toMatchObject({ floatExecutor: 'reference' });
    const answer = await service.inject(upload('einsum', float));
    expect(answer.statusCode, answer.body).toBe(422);
    expect(answer.json()).toMatchObject({ code: 'UNSUPPORTED_OPERATOR', nodes: [{ name: 'relu.same' }] });
  });
});
