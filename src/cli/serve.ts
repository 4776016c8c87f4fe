import { fileURLToPath } from 'node:url';
import { configHelp } from '../config.ts';
import { exitCodes, type Command } from './command.ts';

const entry = new URL('../main.ts', import.meta.url);

/** `octet serve` is the process of `npm start`: the same entry, flags and environment. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'run the service',
  help: configHelp(),
  async run(args, { terminal }) {
    process.argv = [process.argv[0] ?? process.execPath, fileURLToPath(entry), ...args];
    try {
      await import(entry.href);
    } catch (error) {
      terminal.note(`octet: the service cannot start: ${error instanceof Error ? error.message : String(error)}`);
      // What has been opened so far would keep the process alive.
      process.exit(exitCodes.failed);
    }
    return Number(process.exitCode ?? exitCodes.ok);
  },
};
