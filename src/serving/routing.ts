import { AppError } from '../base/index.ts';
import type { ModelRecord, VersionRecord } from '../store/index.ts';

/** The alias that answers when a request names no version. */
export const PRODUCTION_ALIAS = 'prod';

/**
 * The version that answers for `selector`: a number, an alias, or nothing. Without one: the alias `prod`, else the newest
 * int8 version whose verdict is not *fail*, else the newest fp32 one. An upload never takes traffic from an int8 version.
 *
 * @throws AppError VERSION_NOT_FOUND that lists what the model has
 */
export function selectVersion(model: ModelRecord, selector?: string): VersionRecord {
  if (selector === undefined || selector === '') return defaultVersion(model);
  const number = /^[1-9][0-9]{0,8}$/.test(selector) ? Number(selector) : aliasTarget(model, selector);
  const found = model.versions.find((version) => version.version === number);
  if (found === undefined) throw unknownVersion(model, selector);
  return found;
}

function aliasTarget(model: ModelRecord, alias: string): number {
  const target = Object.hasOwn(model.aliases, alias) ? model.aliases[alias] : undefined;
  if (target === undefined) throw unknownVersion(model, alias);
  return target;
}

function defaultVersion(model: ModelRecord): VersionRecord {
  if (Object.hasOwn(model.aliases, PRODUCTION_ALIAS)) return selectVersion(model, PRODUCTION_ALIAS);
  const newestFirst = [...model.versions].sort((a, b) => b.version - a.version);
  const found =
    newestFirst.find((version) => version.kind === 'int8' && version.verdict !== 'fail') ??
    newestFirst.find((version) => version.kind === 'fp32');
  if (found !== undefined) return found;
  throw new AppError(
    'VERSION_NOT_FOUND',
    `Request for unknown model: '${model.name}' has no version that may serve; name one of ${listVersions(model)}.`,
    { model: model.name },
  );
}

function unknownVersion(model: ModelRecord, selector: string): AppError {
  return new AppError(
    'VERSION_NOT_FOUND',
    `Request for unknown model: '${model.name}' version '${selector}' is not found; it has ${listVersions(model)}.`,
    { model: model.name, version: selector },
  );
}

function listVersions(model: ModelRecord): string {
  const versions = model.versions.map((version) => String(version.version));
  const aliases = Object.keys(model.aliases);
  const all = [...versions, ...aliases];
  return all.length === 0 ? 'no versions' : `versions ${all.join(', ')}`;
}
