import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digitsPreprocessing, readDigits, readDigitsModel, zipDigits } from '../../src/cli/sample/digits.ts';
import { startWorkerProcess, type Incident, type WorkerProcess } from '../../src/jobs/index.ts';
import { reportSchema } from '../../src/lab/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import type { JobSpec } from '../../src/store/index.ts';
import { seededRandom } from '../../src/base/index.ts';
import { tensor, type TensorMap } from '../../src/tensor/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { fp32Version, imageDataset } from '../store/fixtures/records.ts';
import { ended, followUntil, openService, type Service } from './fixtures/service.ts';

/** The sample network that the repository ships, on the worker process as the service starts it. */
describe('the worker process with a real network', () => {
  let service: Service;
  let worker: WorkerProcess;
  let model: Uint8Array;
  let sha256: string;
  let spec: JobSpec;
  const incidents: Incident[] = [];

  beforeAll(async () => {
    service = await openService();
    model = await readDigitsModel();
    const artifact = await service.store.artifacts.putBytes(model);
    ({ sha256 } = artifact);
    const images = await readDigits('training', { first: 0, count: 40 });
    const data = await service.store.artifacts.putBytes(zipDigits(images));
    const { version } = await service.store.metadata.addVersion({
      ...fp32Version(artifact),
      preprocessing: digitsPreprocessing,
      labels: undefined,
    });
    const { id } = await service.store.metadata.addDataset({ ...imageDataset(data), sampleCount: 40 });
    spec = { ...service.spec, version, calibration: id };
    worker = startWorkerProcess({
      worker: { dataDir: service.dataDir },
      queue: service.queue,
      onIncident: (incident) => incidents.push(incident),
    });
    await worker.ready;
  });
  afterAll(async () => {
    await worker.stop();
    await service.close();
  });

  const image = (count: number, seed: number): TensorMap => {
    const random = seededRandom(seed);
    const pixels = Float32Array.from({ length: count * 784 }, () => random());
    return new Map([['image', tensor('float32', [count, 1, 28, 28], pixels)]]);
  };

  it('quantizes, with a report, and says how far it is', async () => {
    const { id } = await service.queue.submit(spec);
    const { job, events } = await followUntil(service.queue, id, ended);
    expect(job, JSON.stringify([job.problem, incidents])).toMatchObject({ state: 'succeeded', attempts: 1 });
    const version = await service.store.metadata.version('digits', job.resultVersion ?? 0);
    expect(version).toMatchObject({ kind: 'int8', jobId: id, preprocessing: digitsPreprocessing });
    expect(version.summary.inputs).toEqual([{ name: 'image', dtype: 'float32', shape: [-1, 1, 28, 28] }]);
    const bytes = await service.store.artifacts.read(version.sha256);
    expect(bytes.length).toBeLessThan(model.length / 2);
    expect(importModel(readModel(bytes)).nodes.some(({ opType }) => opType === 'QuantizeLinear')).toBe(true);
    const report: unknown = JSON.parse(
      new TextDecoder().decode(await service.store.artifacts.read(version.reportSha256 ?? '')),
    );
    expect(report).toMatchObject({ verdict: { outcome: version.verdict } });
    const stages = new Set(events.map((event) => event.job.progress?.stage));
    expect(stages.has('calibrate') || stages.has('evaluate')).toBe(true);
    expect(incidents).toEqual([]);
  });

  it('searches for a recipe, says how far it is, and keeps what it found with the version', async () => {
    const recipe = recipeSchema.parse({ search: { seconds: 600, candidates: 2 } });
    const { id } = await service.queue.submit({ ...spec, recipe });
    const { job, events } = await followUntil(service.queue, id, ended);
    expect(job, JSON.stringify([job.problem, incidents])).toMatchObject({ state: 'succeeded' });
    const searched = events.map((event) => event.job.progress).filter((progress) => progress?.stage === 'search');
    expect(searched.length).toBeGreaterThan(0);
    for (const progress of searched) expect(progress?.done).toBeLessThanOrEqual(progress?.total ?? 0);
    const version = await service.store.metadata.version('digits', job.resultVersion ?? 0);
    const report = reportSchema.parse(
      JSON.parse(new TextDecoder().decode(await service.store.artifacts.read(version.reportSha256 ?? ''))),
    );
    expect(report.search).toMatchObject({ ended: 'candidates', seconds: 600 });
    expect(report.search?.candidates).toHaveLength(2);
    expect(report.recipe.search).toBeUndefined();
  });

  it('answers float inference with what the reference computes', async () => {
    const feeds = image(2, 7);
    const { outputs, computeMs } = await worker.floats.infer(sha256, feeds);
    const graph = importModel(readModel(model));
    const expected = await (await referenceExecutor.load(graph, graph.outputs)).run(feeds);
    expect([...outputs.keys()]).toEqual(graph.outputs);
    expect(computeMs).toBeGreaterThan(0);
    for (const [name, { shape, data }] of expected) {
      expect(outputs.get(name)?.shape).toEqual(shape);
      for (const [i, value] of (data as Float32Array).entries())
        expect(Math.abs(Number(outputs.get(name)?.data[i]) - value)).toBeLessThan(1e-4);
    }
  });

  it('answers many float calls at once, each with its own', async () => {
    const alone = await Promise.all(
      [1, 2, 3].map(async (seed) => (await worker.floats.infer(sha256, image(1, seed))).outputs),
    );
    const together = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => (await worker.floats.infer(sha256, image(1, (i % 3) + 1))).outputs),
    );
    for (const [i, outputs] of together.entries()) expect(outputs).toEqual(alone[i % 3]);
    expect(alone[0]).not.toEqual(alone[1]);
  });

  it('refuses what it cannot load, with the reason', async () => {
    await expect(worker.floats.infer('0'.repeat(64), image(1, 1))).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    const text = await service.store.artifacts.putBytes(Buffer.from('no network at all'));
    await expect(worker.floats.infer(text.sha256, image(1, 1))).rejects.toMatchObject({ code: 'MODEL_MALFORMED' });
  });

  it('gives up a call whose caller leaves, and goes on', async () => {
    const stop = new AbortController();
    const calls = Array.from({ length: 4 }, (_, i) => worker.floats.infer(sha256, image(8, i), stop.signal));
    stop.abort(new Error('the caller left'));
    for (const call of calls) await expect(call).rejects.toThrow('the caller left');
    await expect(worker.floats.infer(sha256, image(1, 1), stop.signal)).rejects.toThrow('the caller left');
    expect((await worker.floats.infer(sha256, image(1, 1))).outputs.size).toBe(1);
    await worker.floats.unload(sha256);
    expect((await worker.floats.infer(sha256, image(1, 1))).outputs.size).toBe(1);
  });

  it('says which executor it has', async () => {
    expect(['onnxruntime', 'reference']).toContain((await worker.floats.describe()).executor);
  });

  it('answers again after its process was killed', async () => {
    const call = worker.floats.infer(sha256, image(64, 1));
    process.kill(worker.pid ?? 0, 'SIGKILL');
    await expect(call).rejects.toMatchObject({ code: 'FLOAT_EXECUTOR_UNAVAILABLE' });
    expect((await worker.floats.infer(sha256, image(1, 1))).outputs.size).toBe(1);
    expect(worker.restarts).toBe(1);
  });

  it('ends a job in the middle of its computation when it is cancelled, without a restart', async () => {
    const { restarts } = worker;
    const { id } = await service.queue.submit(spec);
    await followUntil(service.queue, id, ({ progress }) => progress?.stage === 'calibrate');
    await service.queue.cancel(id);
    const next = await service.queue.submit(spec);
    expect((await followUntil(service.queue, next.id, ended)).job).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect((await service.store.metadata.job(id)).state).toBe('cancelled');
    expect(worker.restarts).toBe(restarts);
  });
});
