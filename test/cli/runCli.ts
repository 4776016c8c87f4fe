import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../src/cli/octet.js', import.meta.url));

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `octet` as a process of its own, as a shell would. */
export function octet(
  args: readonly string[],
  { nodeFlags = [], environment = {} }: { nodeFlags?: readonly string[]; environment?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 2 ** 26, env: { ...process.env, ...environment } };
    execFile(process.execPath, [...nodeFlags, command, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}
