import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = resolve(root, 'src');

/** Left to right: a room imports only from rooms to its left. Rooms of one group do not know each other. */
const direction: readonly (readonly string[])[] = [
  ['base'],
  ['tensor'],
  ['onnx', 'wasm', 'data', 'client'],
  ['graph'],
  ['reference'],
  ['transform'],
  ['quant'],
  ['onnxruntime'],
  ['engine'],
  ['lab'],
  ['store'],
  ['jobs'],
  ['serving'],
  ['http'],
  ['page'],
  ['config.ts'],
  ['app.ts'],
  ['main.ts'],
  ['cli'],
];

/** Rooms that import less than the direction would let them. */
const onlyFrom: Readonly<Record<string, readonly string[]>> = { client: ['base'], wasm: ['base'] };

/** Files that may ask the process for its environment, arguments and streams. */
const processReaders = ['main.ts', 'config.ts', `cli${sep}`];
/** Entry points of other threads and processes speak to their parent through `process`. */
const processEntries = /(?:^|\/)(?:\w*[wW]orker\w*|writeOpenapi)\.ts$/;

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** Erased before the code runs: an edge for the direction, not for a cycle at load. */
  readonly typeOnly: boolean;
}

const files = globSync('**/*.{ts,js}', { cwd: source }).filter((file) => !file.endsWith('.d.ts'));

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(resolve(source, file), 'utf8'), ts.ScriptTarget.Latest, true);
}

/** Static and dynamic imports, re-exports, and `new URL('./x.ts', import.meta.url)` of worker entries. */
function importsOf(file: string): Import[] {
  const parsed = parse(file);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: string, typeOnly: boolean): void => {
    found.push({ file, line: parsed.getLineAndCharacterOfPosition(node.getStart()).line + 1, specifier, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier))
      add(node, node.moduleSpecifier.text, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier))
      add(node, node.moduleSpecifier.text, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteralLike(argument)) add(node, argument.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found;
}

const imports = files.flatMap(importsOf);
const local = imports.filter(({ specifier }) => specifier.startsWith('.'));

/** The room of a path below src: a folder, or one of the files that stand beside the rooms. */
function roomOf(file: string): string {
  return file.split(sep)[0] ?? file;
}

function targetOf({ file, specifier }: Import): string {
  return relative(source, resolve(source, dirname(file), specifier));
}

function rank(room: string): number {
  return direction.findIndex((group) => group.includes(room));
}

function describeEdge(edge: Import, reason: string): string {
  return `src/${edge.file}:${edge.line} imports '${edge.specifier}': ${reason}`;
}

function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of edges.keys()) walk(file, []);
  return cycles;
}

describe('the house', () => {
  it('knows every room of src', () => {
    const rooms = new Set(files.map(roomOf));
    expect([...rooms].filter((room) => rank(room) < 0)).toEqual([]);
    expect(rooms.size).toBeGreaterThan(10);
    expect(local.length).toBeGreaterThan(10);
  });

  it('imports only files that exist, with their extension', () => {
    const missing = local.filter((edge) => !existsSync(resolve(source, targetOf(edge))));
    expect(missing.map((edge) => describeEdge(edge, 'no such file'))).toEqual([]);
  });

  it('imports only from rooms to the left', () => {
    const against = local.flatMap((edge) => {
      const [from, to] = [roomOf(edge.file), roomOf(targetOf(edge))];
      if (from === to) return [];
      if (to.startsWith('..')) return [describeEdge(edge, 'it lies outside src')];
      const allowed = onlyFrom[from];
      if (allowed && !allowed.includes(to)) return [describeEdge(edge, `${from} imports only ${allowed.join(', ')}`)];
      return rank(to) < rank(from) ? [] : [describeEdge(edge, `${to} is not to the left of ${from}`)];
    });
    expect(against).toEqual([]);
  });

  it('enters another room only through its index.ts', () => {
    const byWindow = local.filter((edge) => {
      const target = targetOf(edge);
      return (
        roomOf(edge.file) !== roomOf(target) && target.includes(sep) && target !== `${roomOf(target)}${sep}index.ts`
      );
    });
    expect(byWindow.map((edge) => describeEdge(edge, 'only index.ts is the door of a room'))).toEqual([]);
  });

  it('has no cycle among files', () => {
    const edges = new Map<string, string[]>();
    for (const edge of local) {
      if (edge.typeOnly) continue;
      edges.set(edge.file, [...(edges.get(edge.file) ?? []), targetOf(edge)]);
    }
    expect(cyclesOf(edges)).toEqual([]);
    expect(
      cyclesOf(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b -> c -> b']);
  });

  it('loads only packages that a production install has', () => {
    const manifest = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    const installed = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)]);
    const foreign = imports.filter(({ specifier, typeOnly }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:') || typeOnly) return false;
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      return !installed.has(name);
    });
    expect(foreign.map((edge) => describeEdge(edge, 'it is not a dependency of the package'))).toEqual([]);
  });

  it('names built-in modules with node:', () => {
    const bare = imports.filter(({ specifier }) => builtinModules.includes(specifier));
    expect(bare.map((edge) => describeEdge(edge, `write 'node:${edge.specifier}'`))).toEqual([]);
  });

  it('lets only the entrances read the process', () => {
    const readers = files.flatMap((file) => {
      if (processReaders.some((prefix) => file.startsWith(prefix)) || processEntries.test(file)) return [];
      const parsed = parse(file);
      const found: string[] = [];
      const visit = (node: ts.Node): void => {
        if (
          ts.isPropertyAccessExpression(node) &&
          ts.isIdentifier(node.expression) &&
          node.expression.text === 'process' &&
          ['env', 'argv', 'exit', 'stdin', 'stdout', 'stderr', 'on', 'once', 'exitCode', 'cwd'].includes(node.name.text)
        )
          found.push(
            `src/${file}:${parsed.getLineAndCharacterOfPosition(node.getStart()).line + 1} reads process.${node.name.text}`,
          );
        ts.forEachChild(node, visit);
      };
      visit(parsed);
      return found;
    });
    expect(readers).toEqual([]);
  });

  it('has a README in each room', () => {
    const rooms = new Set(files.filter((file) => file.includes(sep)).map(roomOf));
    const bare = [...rooms].filter((room) => !existsSync(resolve(source, room, 'README.md')));
    expect(bare.map((room) => `src/${room} has no README.md`)).toEqual([]);
  });
});
