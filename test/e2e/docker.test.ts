import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import {
  DockerComposeEnvironment,
  GenericContainer,
  getContainerRuntimeClient,
  Wait,
  type StartedTestContainer,
} from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, expectClassifies, runMainJob, type Endpoint } from './mainJob.ts';

const root = resolve(import.meta.dirname, '../..');
const port = 8080;

/** Why no container can be started here, or undefined. */
async function whyNoDocker(): Promise<string | undefined> {
  try {
    await getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const reason = await whyNoDocker();
if (reason !== undefined) console.warn(`Container tests are skipped: ${reason}`);

describe.skipIf(reason !== undefined)('the container', () => {
  const token = randomBytes(24).toString('hex');
  let container: StartedTestContainer | undefined;
  let endpoint: Endpoint;
  const endpointOf = (started: StartedTestContainer): Endpoint => ({
    url: `http://${started.getHost()}:${started.getMappedPort(port)}`,
    token,
  });

  beforeAll(async () => {
    const image = await GenericContainer.fromDockerfile(root).build('octet:test', { deleteOnExit: false });
    const started = await image
      .withExposedPorts(port)
      .withEnvironment({ OCTET_TOKEN: token })
      .withTmpFs({ '/tmp': 'rw' })
      .withDroppedCapabilities('ALL')
      .withWaitStrategy(Wait.forHttp('/v2/health/ready', port))
      .withStartupTimeout(120_000)
      .start();
    container = started;
    endpoint = endpointOf(started);
  }, 600_000);
  afterAll(async () => {
    await container?.stop();
  });

  it('runs the main job', async () => {
    await runMainJob(endpoint, { evaluationImages: 200 });
  }, 180_000);

  it('asks for a token, as it is bound beyond loopback', async () => {
    const response = await call({ url: endpoint.url }, '/v1/models');
    expect(response.status).toBe(401);
    expect((await call({ url: endpoint.url }, '/v2/health/live')).status).toBe(200);
  });

  it('runs as a user without rights, with native parts of this platform only', async () => {
    const run = async (...command: string[]): Promise<string> => {
      const { output, exitCode } = await container!.exec(command);
      expect(exitCode, output).toBe(0);
      return output.trim();
    };
    expect(await run('id', '-u')).toBe('10001');
    expect(await run('sh', '-c', 'ls node_modules/onnxruntime-node/bin/napi-v6/*')).not.toMatch(/darwin|win32/);
    expect(await run('sh', '-c', 'ls node_modules | grep -c -E "^(vitest|typescript|eslint)$" || true')).toBe('0');
  });

  it('serves what it made after a restart', async () => {
    await container!.restart();
    endpoint = endpointOf(container!);
    await expect
      .poll(async () => (await call(endpoint, '/v2/health/ready')).status, { timeout: 60_000, interval: 300 })
      .toBe(200);
    await expectClassifies(endpoint);
  }, 120_000);
});

describe.skipIf(reason !== undefined)('deploy/compose.yaml', () => {
  it('starts a healthy service that only this host reaches, without rights and on a read-only root', async () => {
    const token = randomBytes(24).toString('hex');
    const environment = await new DockerComposeEnvironment(resolve(root, 'deploy'), 'compose.yaml')
      .withEnvironment({ OCTET_PORT: '0', OCTET_TOKEN: token })
      .withWaitStrategy('octet-1', Wait.forHealthCheck())
      .withBuild()
      .up();
    try {
      const container = environment.getContainer('octet-1');
      const endpoint = { url: `http://127.0.0.1:${container.getMappedPort(port)}`, token };
      expect((await call(endpoint, '/v2/health/ready')).status).toBe(200);
      expect((await call(endpoint, '/v1/models')).status).toBe(200);
      expect((await container.exec(['sh', '-c', 'touch /octet/file'])).output).toMatch(/Read-only file system/);
      expect((await container.exec(['grep', 'CapEff', '/proc/1/status'])).output).toMatch(/0{16}/);
    } finally {
      await environment.down({ removeVolumes: true });
    }
  }, 600_000);
});
