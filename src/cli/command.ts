import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { Terminal } from './terminal.ts';

/** A command of `octet`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Text of `octet <name> --help`. */
  readonly help: string;
  /** @returns the exit code */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

export interface CommandContext {
  readonly terminal: Terminal;
  /** Fires on Ctrl-C: long work stops at the next sample and leaves no half-written file. */
  readonly signal: AbortSignal;
}

export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Arguments that the command cannot be run with. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options that every command has. */
export const commonOptions = { json: { type: 'boolean', default: false } } as const satisfies ParseArgsOptionsConfig;

/**
 * Options and positionals of one command, strictly.
 *
 * @throws UsageError that names the argument
 */
export function readArguments<T extends ParseArgsOptionsConfig>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/**
 * The positionals by name; a trailing `?` marks one that may be absent.
 *
 * @throws UsageError when one is missing or left over
 */
export function readPositionals(positionals: readonly string[], names: readonly string[]): (string | undefined)[] {
  const needed = names.filter((name) => !name.endsWith('?'));
  const missing = needed[positionals.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing.`);
  const extra = positionals[names.length];
  if (extra !== undefined) throw new UsageError(`Unexpected argument '${extra}'.`);
  return names.map((_, index) => positionals[index]);
}

/** Gives an option whose value may be absent one: `--name` becomes `--name=`, `--name 5` stays. */
export function withOptionalNumber(args: readonly string[], name: string): readonly string[] {
  return args.map((arg, at) => (arg === `--${name}` && !/^\d+$/.test(args[at + 1] ?? '') ? `${arg}=` : arg));
}

/** A whole number in [low, high]. */
export function readInteger(name: string, text: string, range: { low: number; high: number }): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < range.low || value > range.high)
    throw new UsageError(`--${name} is '${text}'; allowed: a whole number from ${range.low} to ${range.high}.`);
  return value;
}

/** A number in [low, high]. */
export function readNumber(name: string, text: string, range: { low: number; high: number }): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!(value >= range.low && value <= range.high))
    throw new UsageError(`--${name} is '${text}'; allowed: a number from ${range.low} to ${range.high}.`);
  return value;
}

export function readChoice<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`--${name} is '${text}'; allowed: ${allowed.join(', ')}.`);
  return found;
}
