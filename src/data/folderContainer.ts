import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AppError } from '../base/index.ts';
import type { Container, Entry, PlainLocation } from './container.ts';
import { checkEntryName, compareNames, isHidden } from './entryPath.ts';
import { formatBytes, type DatasetLimits } from './limits.ts';

/**
 * The files below a folder. Links that lead out of it are refused.
 *
 * @throws AppError DATASET_TOO_LARGE, ARCHIVE_PATH_UNSAFE
 */
export async function openFolder(root: string, limits: DatasetLimits): Promise<Container> {
  const entries: Entry[] = [];
  const realRoot = await realpath(root);
  let totalBytes = 0;
  const walk = async (folder: string): Promise<void> => {
    for (const item of await readdir(join(realRoot, folder), { withFileTypes: true })) {
      const name = folder === '' ? item.name : `${folder}/${item.name}`;
      if (isHidden(item.name)) continue;
      checkEntryName(name);
      if (item.isDirectory()) {
        await walk(name);
        continue;
      }
      const path = join(realRoot, name);
      if (item.isSymbolicLink() && !(await realpath(path)).startsWith(realRoot + sep))
        throw new AppError('ARCHIVE_PATH_UNSAFE', `'${name}' is a link that leads out of the folder.`);
      const found = await stat(path);
      if (!found.isFile()) continue;
      totalBytes += found.size;
      entries.push({ name, sizeBytes: found.size });
      checkCounts(entries.length, totalBytes, limits);
    }
  };
  await walk('');
  entries.sort((a, b) => compareNames(a.name, b.name));
  return {
    entries,
    stream: (entry) => createReadStream(join(realRoot, entry.name)),
    plainLocation: async (entry): Promise<PlainLocation> => ({ path: join(realRoot, entry.name), offset: 0 }),
    close: async () => undefined,
  };
}

function checkCounts(count: number, totalBytes: number, limits: DatasetLimits): void {
  if (count > limits.entries)
    throw new AppError('DATASET_TOO_LARGE', `The folder has more than ${limits.entries} files, the most allowed.`);
  if (totalBytes > limits.totalBytes)
    throw new AppError('DATASET_TOO_LARGE', `The folder holds more than ${formatBytes(limits.totalBytes)}.`);
}
