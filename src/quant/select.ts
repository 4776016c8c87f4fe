import type { Node } from '../graph/index.ts';

/** A glob over whole names: `*` is any run of characters, `?` any one; everything else is itself. */
export function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\/]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`, 's');
}

/** A test for nodes whose name or operator type one of the globs fits. */
export function nodeSelector(globs: {
  readonly nodes: readonly string[];
  readonly opTypes: readonly string[];
}): (node: Node) => boolean {
  const names = globs.nodes.map(globPattern);
  const opTypes = globs.opTypes.map(globPattern);
  return ({ name, opType }) =>
    names.some((pattern) => pattern.test(name)) || opTypes.some((pattern) => pattern.test(opType));
}
