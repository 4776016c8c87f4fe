import '../support/compileCache.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { InferencePool, type PoolOptions } from '../../src/serving/pool.ts';
import { preflight } from '../../src/serving/preflightModel.ts';
import { tensor, type TensorMap } from '../../src/tensor/index.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';

const small = qdqNetwork();
/** Seconds of plain loops. */
const large = qdqNetwork({ channels: 32, size: 128 });

const image = (size = 8, batch = 1): TensorMap =>
  new Map([
    [
      'image',
      tensor(
        'float32',
        [batch, 3, size, size],
        Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.sin(i)),
      ),
    ],
  ]);

const source = (bytes: Uint8Array, golden?: string) => async () => ({ bytes, golden });
const goldenOf = (bytes: Uint8Array): string | undefined => preflight(bytes, new Map()).golden;

describe('InferencePool', () => {
  let pool: InferencePool | undefined;
  let restarts: number;
  let shared: number;
  const open = (options: Partial<PoolOptions> = {}): InferencePool => {
    restarts = 0;
    shared = 0;
    pool = new InferencePool({
      threads: 1,
      queueLength: 10,
      timeoutMs: 60_000,
      tier: undefined,
      sharing: 'off',
      onShared: () => shared++,
      onRestart: () => restarts++,
      ...options,
    });
    return pool;
  };
  afterEach(() => pool?.close());

  it('gives the same bits on every thread and for every place in a batch', async () => {
    const threads = open({ threads: 2 });
    await threads.load('m', source(small, goldenOf(small)));
    const answers = await Promise.all(Array.from({ length: 6 }, () => threads.run('m', image())));
    const values = answers.map(({ outputs }) => [...(outputs.get('scores')?.data ?? [])]);
    expect(values[0]).toHaveLength(4);
    for (const value of values) expect(value).toEqual(values[0]);
    const two = await threads.run(
      'm',
      new Map([
        [
          'image',
          tensor(
            'float32',
            [2, 3, 8, 8],
            Float32Array.from([...image().values()].flatMap(({ data }) => [...data, ...data] as number[])),
          ),
        ],
      ]),
    );
    expect([...(two.outputs.get('scores')?.data ?? [])]).toEqual([...(values[0] ?? []), ...(values[0] ?? [])]);
  });

  it('refuses what does not fit the queue', async () => {
    const narrow = open({ queueLength: 1 });
    await narrow.load('m', source(small));
    const [running, waiting, refused] = await Promise.allSettled([1, 2, 3].map(() => narrow.run('m', image())));
    expect(running?.status).toBe('fulfilled');
    expect(waiting?.status).toBe('fulfilled');
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'INFERENCE_QUEUE_FULL' } });
  });

  it('stops a computation at its limit, and serves the next on a new thread', async () => {
    const strict = open({ timeoutMs: 1_000, tier: 'reference' });
    await strict.load('small', source(small));
    await strict.load('large', source(large));
    await expect(strict.run('large', image(128, 256))).rejects.toMatchObject({ code: 'INFERENCE_TIMEOUT' });
    expect(restarts).toBe(1);
    await expect(strict.run('small', image())).resolves.toHaveProperty('outputs');
  });

  it('lets go of a caller that leaves the queue', async () => {
    const busy = open();
    await busy.load('m', source(small));
    const running = busy.run('m', image(8, 64));
    const leaving = new AbortController();
    const waiting = busy.run('m', image(), leaving.signal);
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(busy.run('m', image(), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(running).resolves.toHaveProperty('outputs');
  });

  it('does not serve a version whose golden output even the reference does not give', async () => {
    const careful = open();
    await expect(careful.load('m', source(small, '0'.repeat(64)))).rejects.toMatchObject({
      code: 'VERSION_UNAVAILABLE',
    });
    await expect(careful.run('m', image())).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
    await expect(careful.load('m', source(small, goldenOf(small)))).resolves.toMatchObject({ mismatchedTiers: [] });
  });

  it('forgets what is unloaded', async () => {
    const forgetful = open();
    await forgetful.load('m', source(small));
    await forgetful.unload('m');
    await expect(forgetful.run('m', image())).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
  });

  it('says what is wrong with a file, and with feeds', async () => {
    const plain = open();
    await expect(plain.load('m', source(small.subarray(0, 50)))).rejects.toMatchObject({ code: 'MODEL_MALFORMED' });
    await plain.load('m', source(small));
    await expect(plain.run('m', new Map())).rejects.toMatchObject({ code: 'INFERENCE_INVALID' });
  });

  it('shares an inference among threads that are idle, with the same bits', async () => {
    const sharing = open({ threads: 2, sharing: 'auto', sharedFromMs: 0 });
    await sharing.load('m', source(small, goldenOf(small)));
    const scores = async (): Promise<number[]> => [
      ...((await sharing.run('m', image())).outputs.get('scores')?.data as Float32Array),
    ];
    const alone = await scores();
    expect(shared).toBe(0);
    expect(await scores()).toEqual(alone);
    expect(shared).toBe(1);
    for (const answer of await Promise.all(Array.from({ length: 10 }, scores))) expect(answer).toEqual(alone);
    await sharing.unload('m');
    await expect(sharing.run('m', image())).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
  });

  it('shares neither batches, nor short inferences, nor anything while others wait', async () => {
    const sharing = open({ threads: 2, sharing: 'auto' });
    await sharing.load('m', source(small));
    for (let turn = 0; turn < 3; turn++) await sharing.run('m', image());
    expect(shared).toBe(0);
    await sharing.close();
    const eager = open({ threads: 2, sharing: 'auto', sharedFromMs: 0 });
    await eager.load('m', source(small));
    await eager.run('m', image());
    await eager.run('m', image(8, 3));
    expect(shared).toBe(0);
    await Promise.all([eager.run('m', image(8, 3)), ...Array.from({ length: 9 }, () => eager.run('m', image()))]);
    expect(shared).toBeLessThan(9);
  });

  it('goes on after a shared inference that was wrong', async () => {
    const sharing = open({ threads: 3, sharing: 'auto', sharedFromMs: 0 });
    await sharing.load('m', source(small));
    await sharing.run('m', image());
    const wrong = image(9);
    await expect(sharing.run('m', wrong)).rejects.toMatchObject({ code: 'INFERENCE_INVALID' });
    expect(shared).toBe(1);
    await expect(sharing.run('m', image())).resolves.toHaveProperty('outputs');
    expect(shared).toBe(2);
    expect(restarts).toBe(0);
  });

  it('stops all who share an inference at its limit, and serves the next', async () => {
    const size = 1024;
    const huge = qdqNetwork({ channels: 64, size });
    const sharing = open({ threads: 2, sharing: 'auto', sharedFromMs: 0, timeoutMs: 20 });
    await sharing.load('m', source(small));
    await sharing.run('m', image()).catch(() => sharing.run('m', image()));
    await sharing.load('m', source(huge));
    await expect(sharing.run('m', image(size))).rejects.toMatchObject({ code: 'INFERENCE_TIMEOUT' });
    expect(shared).toBe(1);
    expect(restarts).toBeGreaterThan(0);
    await sharing.load('m', source(small));
    await expect(sharing.run('m', image())).resolves.toHaveProperty('outputs');
  });

  it('starts no thread again for a load that waited when it was closed', async () => {
    const closing = open();
    const ended = Promise.allSettled(['a', 'b'].map((key) => closing.load(key, source(small))));
    await closing.close();
    for (const load of await ended)
      expect(load).toMatchObject({ status: 'rejected', reason: { code: 'SERVICE_STOPPING' } });
  });

  it('refuses everything once it is closed', async () => {
    const closing = open();
    await closing.load('m', source(small));
    const calls = [closing.run('m', image(8, 64)), closing.run('m', image())];
    const ended = Promise.allSettled(calls);
    await closing.close();
    for (const call of await ended)
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'SERVICE_STOPPING' } });
    await expect(closing.run('m', image())).rejects.toMatchObject({ code: 'SERVICE_STOPPING' });
  });
});
