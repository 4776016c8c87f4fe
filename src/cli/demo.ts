import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../lab/index.ts';
import { exitCodes, readArguments } from './command.ts';
import { followJob, getJson, request, type DemoJob } from './demo/serviceCalls.ts';
import { startService, type ServiceProcess } from './demo/serviceProcess.ts';
import { drawDigit } from './demo/drawDigit.ts';
import {
  digitsLabels,
  digitsPreprocessing,
  encodeDigit,
  readDigits,
  readDigitsModel,
  zipDigits,
} from './sample/digits.ts';
import { reportTable } from './reportTable.ts';
import { createTerminal } from './terminal.ts';
import { formatBytes, formatMs, formatShare } from './text.ts';

const help = `Usage: npm run demo [-- --keep]

Starts the service on a free port with a temporary data directory, uploads a float network and real images, follows the
job that quantizes it, compares the two and classifies an image with the int8 endpoint.

  --keep    leaves the service running and its data in place`;

const calibrationImages = 300;
const testImages = 10_000;
/** A test image that no step before has shown on screen. */
const shownImage = 1_234;
const shownLogLines = 10;

const terminal = createTerminal(process.stdout, process.stderr);

async function upload(url: string): Promise<string> {
  const model = await readDigitsModel();
  const calibration = zipDigits(await readDigits('training', { first: 0, count: calibrationImages }));
  const evaluation = zipDigits(await readDigits('test', { first: 0, count: testImages }));
  terminal.print(`Network      MobileNetV2-style digits classifier, fp32 ONNX, ${formatBytes(model.length)}`);
  terminal.print(`Calibration  ${calibrationImages} training images, ${formatBytes(calibration.length)} of PNG`);
  terminal.print(`Evaluation   ${testImages} labelled test images, ${formatBytes(evaluation.length)} of PNG\n`);
  const form = new FormData();
  form.set('name', 'digits');
  form.set('model', new Blob([model]), 'digits-mobilenet.onnx');
  form.set('calibration', new Blob([calibration]), 'calibration.zip');
  form.set('evaluation', new Blob([evaluation]), 'evaluation.zip');
  form.set('preprocessing', JSON.stringify(digitsPreprocessing));
  form.set('labels', JSON.stringify(digitsLabels));
  const response = await request(`${url}/v1/quantize`, { method: 'POST', body: form });
  const location = response.headers.get('location') ?? '';
  terminal.print(`POST /v1/quantize  ${response.status}, ${location}`);
  return location;
}

function showProgress({ state, stage, done, total }: DemoJob): void {
  terminal.progress(stage ?? state, done ?? 0, total ?? 1);
}

function predict(url: string, image: Uint8Array): Promise<Response> {
  const headers = { 'content-type': 'image/png' };
  const body = new Uint8Array(image);
  return request(`${url}/v1/models/digits/predict?top_k=3`, { method: 'POST', headers, body });
}

async function classify(url: string): Promise<void> {
  const [digit] = await readDigits('test', { first: shownImage, count: 1 });
  if (!digit) return;
  // The first request loads the network: the second shows what every later one takes.
  await predict(url, encodeDigit(digit));
  const response = await predict(url, encodeDigit(digit));
  const { classes } = (await response.json()) as { classes: { label: string; score: number }[] };
  terminal.print(`\nPOST /v1/models/digits/predict with test image ${shownImage} (a ${digit.label}):\n`);
  terminal.print(drawDigit(digit.pixels));
  const best = classes.map(({ label, score }) => `${label} (${formatShare(score)})`);
  terminal.print(`\n  ${best.join(', ')}\n  Server-Timing: ${response.headers.get('server-timing') ?? 'none'}`);
}

async function runMainJob(service: ServiceProcess): Promise<void> {
  const began = performance.now();
  const job = await followJob(`${service.url}${await upload(service.url)}`, showProgress);
  terminal.endProgress();
  const version = job.resultVersion ?? 0;
  terminal.print(`Job ${job.id} succeeded after ${formatMs(performance.now() - began)}: version ${version} is live\n`);
  const base = `${service.url}/v1/models/digits/versions`;
  terminal.print(reportTable(await getJson<Report>(`${base}/${version}/report`)));
  await classify(service.url);
  terminal.print(`
Page      ${service.url}/
Docs      ${service.url}/docs
Report    ${base}/${version}/report.html
int8 file ${base}/${version}/file`);
}

async function main(): Promise<number> {
  const { values } = readArguments(process.argv.slice(2), {
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  });
  if (values.help) {
    terminal.print(help);
    return exitCodes.ok;
  }
  const folder = await mkdtemp(join(tmpdir(), 'octet-demo-'));
  const service = await startService(folder);
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void stop().then(() => process.exit(exitCodes.interrupted)));
  terminal.print(`Service      ${service.url}, its data in a temporary folder`);
  try {
    await runMainJob(service);
  } catch (error) {
    const log = (await readFile(service.logFile, 'utf8')).trimEnd().split('\n').slice(-shownLogLines);
    terminal.note(`The service's last words:\n  ${log.join('\n  ')}`);
    await stop();
    throw error;
  }
  if (values.keep) {
    service.release();
    terminal.print(
      `\nThe service goes on as process ${service.pid}, its data in ${folder}; end it with: kill ${service.pid}`,
    );
  } else {
    await stop();
    terminal.print(`\nStopped, temporary data removed. 'npm run demo -- --keep' leaves it running.`);
  }
  return exitCodes.ok;
}

try {
  process.exitCode = await main();
} catch (error) {
  terminal.endProgress();
  terminal.note(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = exitCodes.failed;
}
