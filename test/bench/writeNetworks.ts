import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isNetworkName, networkNames, networks } from './generators/networks.ts';
import { toOnnx } from './generators/toOnnx.ts';

const help = `Usage: npm run bench:networks -- <folder> [network...] [--seed n]

Writes the networks of the bench (architecture as published, weights seeded random) as ONNX files.
Networks: ${networkNames.join(', ')}; all of them when none is named.`;

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, help: { type: 'boolean', short: 'h', default: false } },
  allowPositionals: true,
});
const [folder, ...wanted] = positionals;
const unknown = wanted.filter((name) => !isNetworkName(name));
if (values.help || folder === undefined || unknown.length > 0) {
  if (unknown.length > 0) console.error(`Unknown: ${unknown.join(', ')}\n`);
  console.log(help);
  process.exitCode = values.help ? 0 : 2;
} else {
  await mkdir(folder, { recursive: true });
  for (const name of wanted.length > 0 ? wanted.filter(isNetworkName) : networkNames) {
    const network = networks[name](Number(values.seed));
    const file = join(folder, `${name}.onnx`);
    const bytes = toOnnx(network);
    await writeFile(file, bytes);
    console.log(
      `${file}  ${(bytes.length / 2 ** 20).toFixed(1)} MiB, ${(network.macs / 1e6).toFixed(0)} M multiply-accumulates, ` +
        `${(network.parameters / 1e6).toFixed(2)} M parameters`,
    );
  }
}
