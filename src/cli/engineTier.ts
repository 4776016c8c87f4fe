import { tiers, type Tier } from '../engine/index.ts';
import { UsageError } from './command.ts';

/**
 * The tier that the environment asks for; an empty variable is an absent one.
 *
 * @throws UsageError that names the allowed tiers
 */
export function askedTier(environment: NodeJS.ProcessEnv): Tier | undefined {
  const text = environment['OCTET_ENGINE_TIER'] ?? '';
  const tier = tiers.find((name) => name === text);
  if (tier === undefined && text !== '')
    throw new UsageError(`OCTET_ENGINE_TIER is '${text}'; allowed: ${tiers.join(', ')}.`);
  return tier;
}
