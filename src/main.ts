import { ConfigError, configHelp, loadConfig, type Config } from './config.ts';

/** Entry of the service process. The only file of the service that touches `process`. */

/** Within the 30 s that orchestrators wait before they kill. */
const STOP_LIMIT_MS = 25_000;

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

async function serve(config: Config): Promise<void> {
  const { createService } = await import('./app.ts');
  const service = await createService(config, {
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
  });
  const stop = () => {
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    void service.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const url = await service.app.listen({ host: config.host, port: config.port });
  if (service.newToken !== undefined)
    process.stdout.write(`Admin token, shown only now (send it as Authorization: Bearer): ${service.newToken}\n`);
  process.stdout.write(`Octet is ready at ${url}\n`);
}

const config = readConfig();
if (config !== undefined) await serve(config);
