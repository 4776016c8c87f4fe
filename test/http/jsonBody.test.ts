import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonDepth, MAX_JSON_DEPTH, parseJson } from '../../src/http/jsonBody.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('jsonDepth', () => {
  it('equals the depth of what JSON.parse gives, strings full of brackets included', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, noUnicodeString: false }), (value) => {
        expect(jsonDepth(bytes(JSON.stringify(value)), 100)).toBe(depthOf(value));
      }),
    );
    expect(jsonDepth(bytes('{"a":"[[[\\"[[{{"}'), 100)).toBe(1);
  });
});

describe('parseJson', () => {
  it('gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        fc.pre(!text.includes('__proto__'));
        expect(parseJson(bytes(text), 'body')).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['too deep', '['.repeat(MAX_JSON_DEPTH + 1) + ']'.repeat(MAX_JSON_DEPTH + 1), /deeper than 64/],
    ['a hundred thousand levels', '['.repeat(100_000), /deeper/],
    ['cut', '{"a":', /not valid JSON/],
    ['prototype', '{"a":{"__proto__":{}}}', /__proto__/],
    ['escaped prototype', '{"\\u005f_proto__":{}}', /__proto__/],
  ])('refuses %s', (_name, text, message) => {
    expect(() => parseJson(bytes(text), 'body')).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringMatching(message) as string }),
    );
  });

  it('refuses what is not UTF-8', () => {
    expect(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]), 'body')).toThrow(/UTF-8/);
  });
});
