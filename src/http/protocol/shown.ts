/** A value out of a request, short enough for a message. */
export function shown(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 40);
}
