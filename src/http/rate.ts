import type { OperationDocument } from './operation.ts';
import type { HttpServices } from './services.ts';

/** Lets a client use this operation so many times a minute (TOO_MANY_REQUESTS beyond). */
export function rateLimited<T extends { config: { operation: OperationDocument } }>(
  services: HttpServices,
  route: T,
): T {
  const rateLimit = { max: services.limits.uploadsPerMinute, timeWindow: 60_000 };
  return { ...route, config: { ...route.config, rateLimit } };
}
