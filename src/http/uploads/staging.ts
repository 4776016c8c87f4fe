import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, statfs } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../base/index.ts';

/** Free space below which no upload is accepted. */
const LOW_WATER_BYTES = 256 * 1_048_576;

/** Bytes of an upload that has not been accepted yet. */
export interface StagedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  bytes(): Promise<Uint8Array>;
  stream(): Readable;
}

/** The files of one request; `dispose` leaves nothing of them. */
export class StagingArea {
  readonly #folder: string;
  readonly #paths: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Streams to disk while hashing. The name is ours, never the client's.
   *
   * @throws AppError UPLOAD_TOO_LARGE above `maxBytes`
   */
  async receive(source: Readable, options: { readonly what: string; readonly maxBytes: number }): Promise<StagedFile> {
    const path = join(this.#folder, randomUUID());
    this.#paths.push(path);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sizeBytes += chunk.length;
        if (sizeBytes > options.maxBytes) {
          done(tooLarge(options));
          return;
        }
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(source, meter, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    return {
      path,
      sizeBytes,
      sha256: hash.digest('hex'),
      bytes: () => readFile(path),
      stream: () => createReadStream(path),
    };
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#paths.splice(0).map((path) => rm(path, { force: true })));
  }
}

export function tooLarge({ what, maxBytes }: { readonly what: string; readonly maxBytes: number }): AppError {
  return new AppError('UPLOAD_TOO_LARGE', `The ${what} is larger than the allowed ${maxBytes} bytes.`, { maxBytes });
}

/** Where uploads wait for acceptance: at most so many at a time, and never on a full disk. */
export class Staging {
  readonly #folder: string;
  readonly #maxConcurrent: number;
  #active = 0;

  constructor(folder: string, maxConcurrent: number) {
    this.#folder = folder;
    this.#maxConcurrent = maxConcurrent;
  }

  /** Empties the folder: whatever a crash left there was never accepted. */
  async open(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
  }

  /**
   * Runs `work` with an area whose files are gone when it returns or throws.
   *
   * @throws AppError TOO_MANY_REQUESTS, STORAGE_FULL
   */
  async use<T>(work: (area: StagingArea) => Promise<T>): Promise<T> {
    if (this.#active >= this.#maxConcurrent)
      throw new AppError(
        'TOO_MANY_REQUESTS',
        `${this.#active} uploads are running, as many as are allowed; try again later.`,
      );
    this.#active++;
    const area = new StagingArea(this.#folder);
    try {
      await refuseFullDisk(this.#folder);
      return await work(area);
    } finally {
      this.#active--;
      await area.dispose();
    }
  }
}

async function refuseFullDisk(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < LOW_WATER_BYTES)
    throw new AppError('STORAGE_FULL', `Less than ${LOW_WATER_BYTES} bytes are free where data is kept.`);
}
