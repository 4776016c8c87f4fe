import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService, type ServiceProcess } from '../../src/cli/demo/serviceProcess.ts';
import {
  digitsPreprocessing,
  encodeDigit,
  readDigits,
  readDigitsModel,
  zipDigits,
} from '../../src/cli/sample/digits.ts';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (executablePath === undefined) console.warn('Tests in a browser are skipped: no Chromium under /usr/bin.');

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

/** A page together with everything that went wrong on it. */
async function openPage(browser: Browser, url: string): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`error: ${message.text()}`);
  });
  page.on('requestfailed', (request) => {
    // The page hangs up on a job's events once the job has ended.
    if (!request.url().endsWith('/events')) problems.push(`failed: ${request.url()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) problems.push(`left: ${request.url()}`);
  });
  return { page, problems };
}

describe.skipIf(executablePath === undefined)('the page in a browser', () => {
  let folder: string;
  let service: ServiceProcess;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octet-page-'));
    service = await startService(folder);
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: flags });
  });
  afterAll(async () => {
    await browser.close();
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('quantizes the sample, shows the job to its end and classifies an image', { timeout: 120_000 }, async () => {
    const { page, problems } = await openPage(browser, service.url);
    await page.goto(service.url);
    const file = (name: string, bytes: Uint8Array) => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(bytes),
    });
    const images = zipDigits(await readDigits('training', { first: 0, count: 120 }));
    const form = page.locator('#quantize-form');
    await form.locator('[name=name]').fill('digits');
    await form.locator('[name=model]').setInputFiles(file('digits.onnx', await readDigitsModel()));
    await form.locator('[name=calibration]').setInputFiles(file('calibration.zip', images));
    await form.locator('summary').click();
    await form.locator('[name=preprocessing]').fill(JSON.stringify(digitsPreprocessing));
    await form.getByRole('button', { name: 'Quantize' }).click();
    await page.locator('#job-state', { hasText: /succeeded/i }).waitFor({ timeout: 90_000 });
    await page.locator('#models tr', { hasText: 'int8' }).waitFor();

    const [digit] = await readDigits('test', { first: 9_000, count: 1 });
    const tryForm = page.locator('#try-form');
    await tryForm.locator('[name=model]').selectOption('digits');
    await tryForm.locator('[name=image]').setInputFiles({
      name: 'digit.png',
      mimeType: 'image/png',
      buffer: Buffer.from(encodeDigit(digit!)),
    });
    await tryForm.getByRole('button', { name: 'Predict' }).click();
    await page.locator('#classes li').first().waitFor();
    expect(await page.locator('#classes li').first().textContent()).toContain(String(digit!.label));
    expect(await page.locator('#problem').isVisible()).toBe(false);
    expect(problems).toEqual([]);
  });

  const report = (): string => `${service.url}/v1/models/digits/versions/2/report.html`;
  const overflow = (page: Page): Promise<unknown> =>
    page.evaluate('document.documentElement.scrollWidth - window.innerWidth');

  it('shows the report without help from elsewhere: every section, and from a box of the graph to its layer', async () => {
    const { page, problems } = await openPage(browser, service.url);
    await page.goto(report());
    expect(await page.locator('h1').first().textContent()).toContain('digits');
    const ids = ['comparison', 'agreement', 'worst', 'network', 'layers', 'times', 'reproduce'];
    for (const id of ids) expect(await page.locator(`section#${id}`).count(), id).toBe(1);
    const links = await page.locator('nav a').count();
    expect(links).toBe(await page.locator('main > section[id]').count());

    const detail = page.locator('#layer-2');
    expect(await detail.isVisible()).toBe(false);
    await page.locator('.piece a.node[href="#layer-2"]').click();
    await detail.waitFor();
    expect(await detail.locator('svg').count()).toBeGreaterThan(2);
    const box = page.locator('.piece').first();
    const normal = (await box.boundingBox())?.width ?? 0;
    await page.locator('#zoom-small').check();
    expect((await box.boundingBox())?.width ?? 0).toBeLessThan(normal);
    // The page is sandboxed and has no script: what is blocked is the test's own waiting.
    expect(problems.filter((problem) => !problem.includes('Blocked script execution'))).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('fits into a narrow window, %s', async (colorScheme) => {
    const { page, problems } = await openPage(browser, service.url);
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(report());
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    for (const summary of await page.locator('summary').all()) await summary.click();
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    const ground = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    const [red = 0] = (/\d+/.exec(ground) ?? []).map(Number);
    if (colorScheme === 'dark') expect(red).toBeLessThan(64);
    else expect(red).toBeGreaterThan(192);
    expect(problems).toEqual([]);
  });

  it('opens the interface description', async () => {
    const { page, problems } = await openPage(browser, service.url);
    await page.goto(`${service.url}/docs`);
    await page.locator('.opblock').first().waitFor({ timeout: 30_000 });
    expect(await page.locator('.opblock').count()).toBeGreaterThan(20);
    expect(problems).toEqual([]);
  });
});
