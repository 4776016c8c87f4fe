import { toProblem } from '../base/index.ts';
import { exitCodes, UsageError, type Command, type CommandContext } from './command.ts';
import { createTerminal, type Terminal } from './terminal.ts';

/** Commands load when they are called, so that `--help` and a wrong argument answer at once. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  serve: {
    summary: 'run the service',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  quantize: {
    summary: 'make an int8 network of a float one',
    load: async () => (await import('./quantize.ts')).quantizeCommand,
  },
  evaluate: {
    summary: 'measure accuracy or agreement on a data set',
    load: async () => (await import('./evaluate.ts')).evaluateCommand,
  },
  inspect: {
    summary: 'show what a network is and how it would run here',
    load: async () => (await import('./inspect.ts')).inspectCommand,
  },
  whitepaper: {
    summary: "print the quantization whitepaper's tables for your network",
    load: async () => (await import('./whitepaper.ts')).whitepaperCommand,
  },
  bench: {
    summary: 'measure latency on this machine',
    load: async () => (await import('./bench.ts')).benchCommand,
  },
};

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return [
    'Usage: octet <command> [options]',
    '',
    'Commands:',
    ...lines,
    '',
    'A data set is a folder of images, a zip of one, or an npy or npz file.',
    "'octet <command> --help' tells the options of a command; --json prints one JSON document.",
  ].join('\n');
}

/** Runs one command line. Never throws: every failure is a line on standard error and an exit code. */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal = createTerminal(process.stdout, process.stderr),
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.print(overview());
    return name === undefined ? exitCodes.usage : exitCodes.ok;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) {
    terminal.note(`octet: unknown command '${name}'; allowed: ${Object.keys(commands).join(', ')}.`);
    return exitCodes.usage;
  }
  const abort = new AbortController();
  const interrupt = (): void => abort.abort();
  try {
    const command = await entry.load();
    if (name !== 'serve' && (rest.includes('--help') || rest.includes('-h'))) {
      terminal.print(command.help);
      return exitCodes.ok;
    }
    if (name !== 'serve') process.once('SIGINT', interrupt);
    return await command.run(rest, { terminal, signal: abort.signal } satisfies CommandContext);
  } catch (error) {
    terminal.endProgress();
    if (abort.signal.aborted) {
      terminal.note('octet: interrupted.');
      return exitCodes.interrupted;
    }
    terminal.note(`octet: ${describeFailure(error, name)}`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

/** A failure as one readable line; OCTET_DEBUG adds where it came from. */
function describeFailure(error: unknown, command: string): string {
  if (error instanceof UsageError) return `${error.message} See 'octet ${command} --help'.`;
  const trace = process.env['OCTET_DEBUG'] && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  const problem = toProblem(error);
  if (problem.code !== 'INTERNAL') return `${problem.detail} [${problem.code}]${trace}`;
  const text = error instanceof Error ? error.message : String(error);
  return `${text} [INTERNAL]${trace}`;
}
