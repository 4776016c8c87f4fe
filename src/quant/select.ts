import type { Node } from '../graph/index.ts';
import type { Recipe } from './recipe.ts';

/** A glob over whole names: `*` is any run of characters, `?` any one; everything else is itself. */
export function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\/]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`, 's');
}

/** Operators with weights. What lies between layers follows them, so an inclusion is about these. */
const layers: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** A test for nodes that a recipe leaves float: those excluded, and layers that an inclusion does not name. */
export function floatSelector({ include, exclude }: Pick<Recipe, 'include' | 'exclude'>): (node: Node) => boolean {
  const excluded = nodeSelector(exclude);
  if (include.nodes.length + include.opTypes.length === 0) return excluded;
  const included = nodeSelector(include);
  return (node) => excluded(node) || (layers.has(node.opType) && !included(node));
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
