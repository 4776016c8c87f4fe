import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean; readonly gypfile?: boolean }>>;
}

const root = resolve(import.meta.dirname, '..');
const readJson = (file: string): unknown => JSON.parse(readFileSync(resolve(root, file), 'utf8'));
const manifest = readJson('package.json') as Manifest;
const lock = readJson('package-lock.json') as Lock;

describe('packages', () => {
  it('are pinned to exact versions', () => {
    const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
    const loose = Object.entries(wanted).filter(([name, range]) => name !== '@types/node' && !/^\d/.test(range));
    expect(loose).toEqual([]);
  });

  it('run an install script only where package.json says so', () => {
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript === true);
    const undecided = scripted
      .map(([path]) => path.replace(/^.*node_modules\//, ''))
      .filter((name) => !Object.hasOwn(manifest.allowScripts, name));
    expect(undecided).toEqual([]);
  });

  it('install without a compiler: npm must not build better-sqlite3, which brings its binaries', () => {
    // `npm ci` reads the lock alone, and npm does not keep this field when it rewrites the lock: put it back by hand.
    expect(lock.packages['node_modules/better-sqlite3']?.gypfile).toBe(false);
    expect(manifest.allowScripts['better-sqlite3']).toBe(false);
  });

  it('have the scripts that the README names', () => {
    const readme = readFileSync(resolve(root, 'README.md'), 'utf8');
    const named = [...readme.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
    expect(named).toContain('demo');
  });
});
