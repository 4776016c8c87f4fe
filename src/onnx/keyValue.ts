import type { WireReader } from './wire.ts';

/** StringStringEntryProto. */
export function readKeyValue(reader: WireReader, valueLimit: number): [string, string] {
  let key = '';
  let value = '';
  while (reader.next())
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string(valueLimit);
    else reader.skip();
  return [key, value];
}
