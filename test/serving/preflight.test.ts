import '../support/compileCache.ts';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { preflight } from '../../src/serving/preflightModel.ts';
import { PreflightChecker } from '../../src/serving/index.ts';
import { bytes, externalTensor, model, nodeProto, valueInfo } from '../support/proto.ts';
import { colorNetwork } from '../support/networks.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';

const none = new Map<string, Uint8Array>();

/** Looks at a file; whatever is wrong with it must be said with a code, not with a stack. */
function refusal(file: Uint8Array): string | undefined {
  try {
    preflight(file, none);
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.kind).not.toBe('internal');
    expect(error.message).toMatch(/\.$/);
    return error.code;
  }
}

describe('preflight', () => {
  it('tells fp32 from int8, and gives int8 a golden hash', () => {
    const float = preflight(colorNetwork(), none);
    expect(float).toMatchObject({ kind: 'fp32', golden: undefined, selfContained: undefined });
    expect(float.summary).toMatchObject({
      operators: { Conv: 1, BatchNormalization: 1 },
      opset: 13,
      producer: 'octet-tests',
    });
    const int8 = preflight(qdqNetwork(), none);
    expect(int8.kind).toBe('int8');
    expect(int8.golden).toMatch(/^[0-9a-f]{64}$/);
    expect(preflight(qdqNetwork(), none).golden).toBe(int8.golden);
    expect(preflight(qdqNetwork({ inputScale: 0.011 }), none).golden).not.toBe(int8.golden);
  });

  it('reads settings out of the file, and ignores what it does not understand', () => {
    const metadata = (entries: Record<string, string>) =>
      preflight(colorNetwork({ metadata: new Map(Object.entries(entries)) }), none);
    expect(metadata({ 'octet.preprocessing': '{"color":"gray"}', 'octet.labels': '["a","b","c","d"]' })).toMatchObject({
      preprocessing: { color: 'gray' },
      labels: ['a', 'b', 'c', 'd'],
    });
    expect(metadata({ 'octet.preprocessing': '{"color":', 'octet.labels': '7' })).toMatchObject({
      preprocessing: undefined,
      labels: undefined,
    });
  });

  it('moves external data inside', () => {
    const file = model(
      Buffer.concat([
        bytes(1, nodeProto('Mul', ['x', 'w'], ['y'])),
        bytes(2, 'g'),
        bytes(5, externalTensor('w', [1], { location: 'folder/w.bin', offset: '4', length: '4' })),
        bytes(11, valueInfo('x', [-1, 3, 8, 8])),
        bytes(12, valueInfo('y', [-1, 3, 8, 8])),
      ]),
    );
    const part = new Uint8Array(Float32Array.of(1, 2).buffer);
    const { selfContained } = preflight(file, new Map([['folder/w.bin', part]]));
    expect(selfContained).toBeDefined();
    expect(refusal(selfContained ?? new Uint8Array())).toBeUndefined();
    expect(refusal(file)).toBe('EXTERNAL_DATA_INVALID');
  });

  const files = [colorNetwork(), qdqNetwork()];

  it('says what is wrong with any truncated file', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (file, share) => {
          expect(refusal(file.subarray(0, Math.floor(share * file.length)))).toBeDefined();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes or refuses any file with flipped bits, and never fails', () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), (file, positions) => {
        const flipped = new Uint8Array(file);
        for (const position of positions) {
          const at = (position >> 3) % file.length;
          flipped[at] = (flipped[at] ?? 0) ^ (1 << (position & 7));
        }
        refusal(flipped);
      }),
      { numRuns: 300 },
    );
  });
});

describe('PreflightChecker', () => {
  const checker = new PreflightChecker(20_000);
  afterAll(() => checker.close());

  it('answers like the function, one after the other', async () => {
    const [float, int8, broken] = await Promise.allSettled([
      checker.check(colorNetwork()),
      checker.check(qdqNetwork()),
      checker.check(colorNetwork().subarray(0, 100)),
    ]);
    expect(float).toMatchObject({ status: 'fulfilled', value: { kind: 'fp32' } });
    expect(int8).toMatchObject({ status: 'fulfilled', value: { golden: preflight(qdqNetwork(), none).golden } });
    expect(broken).toMatchObject({ status: 'rejected', reason: { code: 'MODEL_MALFORMED' } });
  });

  it('stops a check that takes too long, and goes on', async () => {
    const hasty = new PreflightChecker(1);
    await expect(hasty.check(colorNetwork())).rejects.toMatchObject({ code: 'MODEL_TOO_COMPLEX' });
    await hasty.close();
    await expect(checker.check(colorNetwork())).resolves.toMatchObject({ kind: 'fp32' });
  });
});
