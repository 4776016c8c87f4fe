import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digitsModelPath, digitsPreprocessing, readDigits, zipDigits } from '../../src/cli/sample/digits.ts';
import { tierReport, tiers } from '../../src/engine/index.ts';
import { reportSchema } from '../../src/lab/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { octet } from './runCli.ts';

const hasOnnxruntime = (await loadOnnxruntime()) !== undefined;
if (!hasOnnxruntime) console.warn('Commands on onnxruntime are not tested: onnxruntime-node is not installed.');

let folder: string;
const at = (name: string): string => join(folder, name);

/** The one JSON document on standard output; a second one or a stray line would not parse. */
async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await octet([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'octet-cli-'));
  await writeFile(at('calibration.zip'), zipDigits(await readDigits('training', { first: 0, count: 40 })));
  await writeFile(at('evaluation.zip'), zipDigits(await readDigits('test', { first: 200, count: 60 })));
  await writeFile(at('search.json'), JSON.stringify({ search: { candidates: 2 } }));
  await writeFile(at('preprocessing.json'), JSON.stringify(digitsPreprocessing));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('octet quantize', () => {
  it('writes the network and the report, and tells what they are', async () => {
    const document = await json(
      ...['quantize', digitsModelPath, at('calibration.zip'), '--evaluation', at('evaluation.zip')],
      ...['--preprocessing', at('preprocessing.json'), '-o', at('int8.onnx'), '--report', at('report.json')],
    );
    const bytes = await readFile(at('int8.onnx'));
    expect(document).toMatchObject({ output: at('int8.onnx'), sizeBytes: bytes.length });
    expect(document['durationMs']).toBeGreaterThan(0);
    expect(document['peakRssBytes']).toBeGreaterThan(50e6);
    const report = reportSchema.parse(JSON.parse(await readFile(at('report.json'), 'utf8')));
    expect(report).toEqual(document['report']);
    expect(report.accuracy?.int8.top1?.count).toBeGreaterThanOrEqual(58);
    expect(await readdir(folder)).not.toContainEqual(expect.stringContaining('partial'));
  });

  it('holds samples out where there is no evaluation set, and writes a page that stands alone', async () => {
    const { code, stdout, stderr } = await octet([
      ...['quantize', digitsModelPath, at('calibration.zip'), '--preprocessing', at('preprocessing.json')],
      ...['-o', at('second.onnx'), '--report', at('report.html')],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^size\s+266 KiB\s+1\d\d KiB\s+2\.\d\dx smaller$/m);
    const page = await readFile(at('report.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/i);
    expect(page).not.toMatch(/(?:src|href)="https?:/);
  });

  it('searches for a recipe within a budget', async () => {
    const { code, stdout, stderr } = await octet([
      ...['quantize', digitsModelPath, at('calibration.zip'), '--evaluation', at('evaluation.zip'), '--search', '600'],
      ...['--recipe', at('search.json'), '--budget', '1', '--preprocessing', at('preprocessing.json')],
      ...['-o', at('searched.onnx'), '--report', at('searched.json')],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Search: 2 recipes in \d+ s, on 20 samples/m);
    const report = reportSchema.parse(JSON.parse(await readFile(at('searched.json'), 'utf8')));
    expect(report.search).toMatchObject({ seconds: 600, ended: 'candidates' });
    expect(report.recipe.accuracyBudget).toBe(1);
  });

  it('refuses what it cannot do in one line and writes nothing', async () => {
    const cases: (readonly [args: readonly string[], said: RegExp, code: number])[] = [
      [[at('nothing.onnx'), at('calibration.zip')], /Cannot read .*nothing\.onnx' \(ENOENT\)/, 2],
      [[digitsModelPath], /CALIBRATION_REQUIRED/, 1],
      [[digitsModelPath, at('nothing.zip')], /There is no data set at .*DATASET_MALFORMED/, 1],
      [[at('preprocessing.json'), at('calibration.zip')], /MODEL_MALFORMED/, 1],
      [
        [digitsModelPath, at('calibration.zip'), '--recipe', at('preprocessing.json')],
        /preprocessing\.json: .*color/,
        2,
      ],
      [[digitsModelPath, at('calibration.zip'), '--executor', 'gpu'], /--executor is 'gpu'; allowed: /, 2],
      [[digitsModelPath, at('calibration.zip'), '--search', '5'], /--search is '5'; allowed: .* 10 to 86400/, 2],
      [[digitsModelPath, at('calibration.zip'), '--budget', 'low'], /--budget is 'low'; allowed: /, 2],
      [[digitsModelPath, at('calibration.zip'), '-o', digitsModelPath], /would overwrite the model/, 2],
      [[digitsModelPath, at('calibration.zip'), '--report', at('report.pdf')], /ends in \.json or \.html/, 2],
      [[digitsModelPath, at('calibration.zip'), '--report', at('no/report.html')], /there is no such folder/, 2],
    ];
    for (const [args, said, code] of cases) {
      const ended = await octet(['quantize', '-o', at('refused.onnx'), ...args]);
      expect(ended).toMatchObject({ code, stdout: '' });
      expect(ended.stderr).toMatch(said);
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
    }
    expect(await readdir(folder)).not.toContain('refused.onnx');
  });
});

describe('octet evaluate', () => {
  it('measures an int8 network with what its own metadata says, against the float one', async () => {
    const document = await json('evaluate', at('int8.onnx'), at('evaluation.zip'), '--against', digitsModelPath);
    expect(document).toMatchObject({ samples: 60, labelled: 60, against: { samples: 60 } });
    expect(document['top1']).toBeGreaterThan(0.95);
    expect(document['top5']).toBeGreaterThanOrEqual(document['top1'] as number);
    expect(document['agreement']).toBeGreaterThan(0.95);
  });

  it('gives our engine and the reference kernels the same answers', async () => {
    const few = at('few.zip');
    await writeFile(few, zipDigits(await readDigits('test', { first: 300, count: 16 })));
    const figures = async (executor: string) => {
      const { samples, top1, top5 } = await json('evaluate', at('int8.onnx'), few, '--executor', executor);
      return { samples, top1, top5 };
    };
    expect(await figures('octet')).toEqual(await figures('reference'));
  });

  it.skipIf(!hasOnnxruntime)('runs the file in onnxruntime', async () => {
    const document = await json('evaluate', at('int8.onnx'), at('evaluation.zip'), '--executor', 'onnxruntime');
    expect(document['executor']).toBe('onnxruntime');
    expect(document['top1']).toBeGreaterThan(0.95);
  });

  it('takes labels from a table', async () => {
    const digits = await readDigits('test', { first: 200, count: 60 });
    const lines = digits.map(
      ({ label }, index) => `${label}/${String(index).padStart(5, '0')}.png,${(label + 1) % 10}`,
    );
    await writeFile(at('wrong.csv'), `file,label\n${lines.join('\n')}\n`);
    const document = await json('evaluate', at('int8.onnx'), at('evaluation.zip'), '--labels', at('wrong.csv'));
    expect(document['top1']).toBeLessThan(0.1);
  });

  it('prints a table for people', async () => {
    const { code, stdout } = await octet([
      'evaluate',
      at('int8.onnx'),
      at('evaluation.zip'),
      '--against',
      digitsModelPath,
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^top-1\s+9\d\.\d\d %|^top-1\s+100\.00 %/m);
    expect(stdout).toMatch(/They agree on \d+\.\d\d % of 60 samples\./);
  });
});

describe('octet inspect', () => {
  it('tells a float network', async () => {
    expect(await json('inspect', digitsModelPath)).toMatchObject({
      kind: 'fp32',
      opset: 13,
      inputs: [{ name: 'image', dtype: 'float32', shape: [-1, 1, 28, 28] }],
      operators: { Conv: 19, BatchNormalization: 19 },
    });
  });

  it('tells an int8 network, its kernels and what travels in it', async () => {
    const document = await json('inspect', at('int8.onnx'));
    expect(document).toMatchObject({ kind: 'int8', preprocessing: digitsPreprocessing });
    const { kernels } = document['engine'] as { kernels: Record<string, number> };
    expect(Object.values(kernels).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
    expect(document['host']).toMatchObject({ tier: expect.stringMatching(/reference|simd|relaxed|wide/) as string });
  });

  it.each(tiers)('runs on no faster a tier than OCTET_ENGINE_TIER=%s, and says why', async (asked) => {
    const { tier, reason } = tierReport(asked);
    const { stdout } = await octet(['inspect', at('int8.onnx')], { environment: { OCTET_ENGINE_TIER: asked } });
    expect(stdout).toContain(`${tier}: ${reason.slice(0, reason.indexOf('.'))}`);
    expect(stdout.includes(' reference.conv ') || stdout.includes(' reference.conv,')).toBe(tier === 'reference');
  });

  it('names the tiers where OCTET_ENGINE_TIER is none', async () => {
    const ended = await octet(['inspect', at('int8.onnx')], { environment: { OCTET_ENGINE_TIER: 'fast' } });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/OCTET_ENGINE_TIER is 'fast'; allowed: reference, simd, relaxed, wide\./);
  });
});

describe('octet bench', () => {
  it('times each side', async () => {
    const { results } = (await json('bench', at('int8.onnx'), '--seconds', '1')) as {
      results: { macs: number; timings: Record<string, { medianMs: number; runs: number }> }[];
    };
    expect(results).toHaveLength(1);
    expect(results[0]?.macs).toBeGreaterThan(3e6);
    expect(Object.keys(results[0]?.timings ?? {})).toEqual(hasOnnxruntime ? ['octet', 'onnxruntime'] : ['octet']);
    for (const { medianMs, runs } of Object.values(results[0]?.timings ?? {})) {
      expect(medianMs).toBeGreaterThan(0);
      expect(runs).toBeGreaterThan(4);
    }
  });
});
