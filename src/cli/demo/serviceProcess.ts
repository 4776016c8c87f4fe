import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The service, running as a process of its own, as `octet serve` starts it. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>;
  /** Lets this process end while the service goes on. */
  release(): void;
}

const command = fileURLToPath(new URL('../octet.js', import.meta.url));
const startLimitMs = 60_000;
const pollMs = 50;

/**
 * Starts the service on a free port of loopback, with its data and its log in `folder`.
 *
 * @throws Error with what the service said when it does not become ready
 */
export async function startService(
  folder: string,
  options: { port?: number; environment?: NodeJS.ProcessEnv } = {},
): Promise<ServiceProcess> {
  const dataDir = join(folder, 'data');
  const logFile = join(folder, 'service.log');
  const log = await open(logFile, 'a');
  const logged = (await log.stat()).size;
  const flags = ['--port', String(options.port ?? 0), '--host', '127.0.0.1', '--data-dir', dataDir];
  // A group of its own: Ctrl-C reaches this process alone, which then stops the service in order.
  const child = spawn(process.execPath, [command, 'serve', ...flags], {
    stdio: ['ignore', log.fd, log.fd],
    env: { OCTET_LOG_LEVEL: 'warn', ...process.env, ...options.environment },
    detached: true,
  });
  await log.close();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    const url = await untilReady(child, async () => (await readFile(logFile, 'utf8')).slice(logged));
    return {
      url,
      pid: child.pid ?? -1,
      dataDir,
      logFile,
      async stop() {
        if (hasEnded(child)) return;
        child.kill('SIGTERM');
        await ended;
      },
      release: () => child.unref(),
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function untilReady(child: ChildProcess, said: () => Promise<string>): Promise<string> {
  for (let waited = 0; waited < startLimitMs; waited += pollMs) {
    const url = /https?:\/\/[^\s"]+/.exec(await said())?.[0];
    if (url !== undefined) return url.replace(/\/+$/, '');
    if (hasEnded(child)) throw new Error(`The service ended before it was ready:\n${await said()}`);
    await sleep(pollMs);
  }
  throw new Error(`The service was not ready in ${startLimitMs / 1000} s:\n${await said()}`);
}
