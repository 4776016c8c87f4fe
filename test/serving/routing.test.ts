import { describe, expect, it } from 'vitest';
import { selectVersion } from '../../src/serving/index.ts';
import { modelRecord, versionRecord } from '../support/records.ts';

const answers = (
  versions: Parameters<typeof versionRecord>[0][],
  aliases: Record<string, number> = {},
  selector?: string,
) => selectVersion(modelRecord(versions.map(versionRecord), aliases), selector).version;

describe('which version answers', () => {
  it('is the newest int8 one, whatever fp32 versions came later', () => {
    expect(answers([{ version: 1 }, { version: 2, kind: 'int8' }, { version: 3, kind: 'int8' }, { version: 4 }])).toBe(
      3,
    );
  });

  it('skips an int8 version whose verdict is fail, and takes one that lacks data', () => {
    expect(
      answers([
        { version: 1 },
        { version: 2, kind: 'int8', verdict: 'notEnoughData' },
        { version: 3, kind: 'int8', verdict: 'fail' },
      ]),
    ).toBe(2);
  });

  it('is the newest fp32 one when no int8 version may serve', () => {
    expect(answers([{ version: 1 }, { version: 2 }, { version: 3, kind: 'int8', verdict: 'fail' }])).toBe(2);
  });

  it('is what prod points at, even a failed or older one', () => {
    const versions = [
      { version: 1 },
      { version: 2, kind: 'int8' as const, verdict: 'fail' as const },
      { version: 3, kind: 'int8' as const },
    ];
    expect(answers(versions, { prod: 2 })).toBe(2);
    expect(answers(versions, { prod: 1 })).toBe(1);
    expect(answers(versions, { canary: 1 })).toBe(3);
  });

  it('is the one named, by number or alias', () => {
    expect(answers([{ version: 1 }, { version: 2 }], { canary: 1 }, '2')).toBe(2);
    expect(answers([{ version: 1 }, { version: 2 }], { canary: 1 }, 'canary')).toBe(1);
  });

  it.each(['3', '0', '01', 'nobody', 'constructor', '__proto__'])('is none for %s', (selector) => {
    expect(() => answers([{ version: 1 }], { canary: 1 }, selector)).toThrow(
      expect.objectContaining({
        code: 'VERSION_NOT_FOUND',
        message: expect.stringContaining('versions 1, canary') as string,
      }),
    );
  });

  it('is none when only failed versions are there', () => {
    expect(() => answers([{ version: 1, kind: 'int8', verdict: 'fail' }])).toThrow(
      expect.objectContaining({ code: 'VERSION_NOT_FOUND' }),
    );
  });
});
