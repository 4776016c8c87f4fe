import { AppError } from '../base/index.ts';

/** Deeper nesting than any schema of ours: parsers and validators recurse. */
export const MAX_JSON_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Deepest nesting of objects and arrays, counted without parsing; stops at `limit + 1`. */
export function jsonDepth(bytes: Uint8Array, limit: number): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
      if (deepest > limit) return deepest;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}

/**
 * Untrusted bytes as JSON. Keys that reach prototypes are refused.
 *
 * @param what names the bytes in messages, such as `request body` or `part 'recipe'`
 * @throws AppError INVALID_REQUEST
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (jsonDepth(bytes, MAX_JSON_DEPTH) > MAX_JSON_DEPTH)
    throw new AppError('INVALID_REQUEST', `The ${what} nests deeper than ${MAX_JSON_DEPTH} levels.`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AppError('INVALID_REQUEST', `The ${what} is not UTF-8.`);
  }
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__') throw new AppError('INVALID_REQUEST', `The ${what} has a key '__proto__'.`);
      return value;
    });
  } catch (error) {
    if (error instanceof AppError) throw error;
    const reason = error instanceof Error ? error.message : 'not JSON';
    throw new AppError('INVALID_REQUEST', `The ${what} is not valid JSON: ${reason}.`);
  }
}
