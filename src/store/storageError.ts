import { AppError } from '../base/index.ts';

/** File system and SQLite codes of a disk, quota or file size limit that is reached. */
const fullCodes: readonly string[] = ['ENOSPC', 'EDQUOT', 'EFBIG', 'SQLITE_FULL'];

/** The error as it shall be thrown on: STORAGE_FULL where a limit of the disk is its cause. */
export function storageError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !fullCodes.includes(String(error.code))) return error;
  return new AppError('STORAGE_FULL', 'There is not enough storage left to keep this.', {}, { cause: error });
}
