#!/usr/bin/env node
// Plain JavaScript, so that an older Node reaches the sentence below instead of a syntax error.
const lowest = 24;
const found = Number(process.versions.node.split('.')[0]);

if (found < lowest) {
  console.error(
    `octet needs Node ${lowest} or newer, and this is Node ${process.versions.node} (${process.execPath}).\n` +
      `In a clone, 'npm ci' installs the right one for 'npx octet ...' and 'npm run octet -- ...';\n` +
      `elsewhere, install Node ${lowest} from https://nodejs.org and try again.`,
  );
  process.exitCode = 1;
} else {
  const { runCommandLine } = await import('./commandLine.ts');
  process.exitCode = await runCommandLine(process.argv.slice(2));
}
