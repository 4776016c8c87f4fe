import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { AppError } from './base/index.ts';
import { ConfigError, configHelp, loadConfig, type Config } from './config.ts';

/** Entry of the service process. The only file of the service that touches `process`. */

/** Within the 30 s that orchestrators wait before they kill. */
const STOP_LIMIT_MS = 25_000;
const SECOND_SIGNAL_MS = 1_000;

function readConfig(): Config | undefined {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(configHelp());
    return undefined;
  }
  try {
    return loadConfig(process.env, args);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

/** Compiled code is kept between starts, for this thread and, by the environment, for threads and processes of ours. */
function keepCompiledCode(dataDir: string): void {
  process.env['NODE_COMPILE_CACHE'] ??= join(dataDir, 'compiled');
  enableCompileCache(process.env['NODE_COMPILE_CACHE']);
}

/** Ends in order at the first signal; by force when that takes too long, or when somebody asks again. */
function stopOnSignal(stopAll: () => Promise<void>): void {
  let askedAt: number | undefined;
  const stop = () => {
    // Supervisors and terminals signal a process and its group: two of one moment are one.
    if (askedAt !== undefined && performance.now() - askedAt > SECOND_SIGNAL_MS) process.exit(1);
    if (askedAt !== undefined) return;
    askedAt = performance.now();
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    void stopAll().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

async function serve(config: Config): Promise<void> {
  const { createService } = await import('./app.ts');
  const service = await createService(config, {
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
  });
  stopOnSignal(() => service.stop());
  const url = await service.app.listen({ host: config.host, port: config.port });
  if (service.newToken !== undefined)
    process.stdout.write(`Admin token, shown only now (send it as Authorization: Bearer): ${service.newToken}\n`);
  process.stdout.write(`Octet is ready at ${url}\n`);
}

async function work(config: Config): Promise<void> {
  const { startWorker } = await import('./app.ts');
  const worker = await startWorker(config);
  stopOnSignal(() => worker.stop());
  process.stdout.write(`Octet worker is ready on ${config.dataDir}\n`);
}

const config = readConfig();
if (config !== undefined) {
  keepCompiledCode(config.dataDir);
  try {
    await (config.role === 'worker' ? work(config) : serve(config));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    process.stderr.write(`Octet cannot start: ${error.message}\n`);
    process.exit(1);
  }
}
