import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configHelp } from '../src/config.ts';
import { preprocessingSchema } from '../src/data/index.ts';
import { recipeSchema } from '../src/quant/index.ts';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(resolve(root, 'README.md'), 'utf8');

describe('README.md', () => {
  it('lists every environment variable of the service, and no other', () => {
    const known = new Set(configHelp().match(/OCTET_[A-Z_]+/g));
    const listed = new Set(readme.match(/OCTET_[A-Z_]+/g)?.filter((name) => !name.startsWith('OCTET_TEST_')));
    expect([...listed].toSorted()).toEqual([...known].toSorted());
  });

  it('names every field of the preprocessing and the recipe', () => {
    const fields = [...Object.keys(preprocessingSchema.shape), ...Object.keys(recipeSchema.shape)];
    expect(fields.filter((field) => !new RegExp(`\`[^\`]*\\b${field}\\b[^\`]*\``).test(readme))).toEqual([]);
  });

  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((path) => !existsSync(resolve(root, path)))).toEqual([]);
  });
});
