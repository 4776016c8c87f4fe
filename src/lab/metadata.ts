import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import { preprocessingSchema, type Preprocessing } from '../data/index.ts';
import type { Graph } from '../graph/index.ts';
import { recipeSchema, type Recipe } from '../quant/index.ts';

/** What a file says about itself, in ONNX `metadata_props`. Equal input gives equal bytes: no times, no paths. */
export interface FileMetadata {
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
  readonly recipe: Recipe;
  /** sha-256 of the float file. */
  readonly source: string;
  /** sha-256 of the calibration samples' content hashes. */
  readonly calibration: string | undefined;
  readonly executor: string;
}

const labelsSchema = z.array(z.string());

export function withMetadata(graph: Graph, facts: FileMetadata): Graph {
  const metadata = new Map(graph.metadata);
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined) metadata.set(`octet.${key}`, value);
  };
  set('version', packageVersion());
  set('preprocessing', JSON.stringify(facts.preprocessing));
  set('labels', facts.labels && JSON.stringify(facts.labels));
  set('recipe', JSON.stringify(facts.recipe));
  set('source', facts.source);
  set('calibration', facts.calibration);
  set('executor', facts.executor);
  set('requires', requirementOf(facts.recipe));
  return { ...graph, metadata };
}

/** What a file of this recipe needs of onnxruntime beyond QDQ of opset 13; undefined where nothing. */
export function requirementOf({ weights }: Recipe): string | undefined {
  const asymmetric = weights !== 'none' && weights.granularity === 'perChannel' && !weights.symmetric;
  return asymmetric ? 'onnxruntime >= 1.29 (asymmetric per-channel weights)' : undefined;
}

/** What can be read of it; other tools write metadata too, so what does not fit is left out. */
export function readFileMetadata(graph: Pick<Graph, 'metadata'>): {
  readonly preprocessing: Preprocessing | undefined;
  readonly labels: readonly string[] | undefined;
  readonly recipe: Recipe | undefined;
} {
  const read = <T>(key: string, schema: z.ZodType<T>): T | undefined => {
    const text = graph.metadata.get(`octet.${key}`);
    if (text === undefined) return undefined;
    try {
      return schema.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  };
  return {
    preprocessing: read('preprocessing', preprocessingSchema),
    labels: read('labels', labelsSchema),
    recipe: read('recipe', recipeSchema),
  };
}

export function packageVersion(): string {
  return versionIn(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) ?? 'unknown';
}

/** Versions of everything that has a say in the numbers. */
export function versions(): Record<string, string> {
  const found: Record<string, string> = {
    octet: packageVersion(),
    node: process.versions.node,
    v8: process.versions.v8,
  };
  for (const name of ['onnxruntime-node', 'sharp']) {
    const version = installedVersion(name);
    if (version !== undefined) found[name] = version;
  }
  return found;
}

/** Not every package exports its manifest: it is looked for above the package's entry. Undefined where not installed. */
function installedVersion(name: string): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    const root = entry.lastIndexOf(join('node_modules', name));
    return versionIn(readFileSync(join(entry.slice(0, root), 'node_modules', name, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function versionIn(manifest: string): string | undefined {
  const { version } = JSON.parse(manifest) as { version?: unknown };
  return typeof version === 'string' ? version : undefined;
}
