import { AppError } from '../base/index.ts';

const MAX_NAME_LENGTH = 512;

/**
 * An entry's name as a safe relative path.
 *
 * @throws AppError ARCHIVE_PATH_UNSAFE for absolute paths, drive letters, `..`, backslashes and control characters
 */
export function checkEntryName(name: string): string {
  const shown = JSON.stringify(name.slice(0, 80));
  if (name.length > MAX_NAME_LENGTH)
    throw unsafe(`Entry ${shown}… has a name of ${name.length} characters; at most ${MAX_NAME_LENGTH} are allowed.`);
  if (name === '') throw unsafe('An entry has an empty name.');
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) throw unsafe(`Entry ${shown} is an absolute path.`);
  if (name.includes('\\')) throw unsafe(`Entry ${shown} has a backslash; paths are separated by '/'.`);
  if (/\p{Cc}/u.test(name)) throw unsafe(`Entry ${shown} has control characters in its name.`);
  if (name.split('/').includes('..')) throw unsafe(`Entry ${shown} leads out of the archive.`);
  return name;
}

/** Files that desktops and version control leave behind: `.DS_Store`, `__MACOSX/`, `Thumbs.db`, `.git/`. */
export function isHidden(name: string): boolean {
  return name
    .split('/')
    .some((part) => part.startsWith('.') || part === '__MACOSX' || part === 'Thumbs.db' || part === 'desktop.ini');
}

export function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** The folder part without the last `/`; '' at the top. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

/** Order of names by code unit: the same on every machine and locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function unsafe(detail: string): AppError {
  return new AppError('ARCHIVE_PATH_UNSAFE', detail);
}
