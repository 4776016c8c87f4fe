import { fileURLToPath } from 'node:url';
import { configHelp } from '../config.ts';
import { exitCodes, type Command } from './command.ts';

const entry = new URL('../main.ts', import.meta.url);

/** `octet serve` is the process of `npm start`: the same entry, flags and environment. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'run the service',
  help: configHelp(),
  async run(args) {
    process.argv = [process.argv[0] ?? process.execPath, fileURLToPath(entry), ...args];
    await import(entry.href);
    return Number(process.exitCode ?? exitCodes.ok);
  },
};
