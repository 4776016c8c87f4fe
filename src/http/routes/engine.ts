import { z } from 'zod';
import { operation, type App } from '../operation.ts';
import { engineSchema } from '../schemas/inference.ts';
import type { HttpServices } from '../services.ts';

export function serviceRoutes(app: App, services: HttpServices): void {
  app.get(
    '/v1/engine',
    operation(
      { response: { 200: engineSchema } },
      {
        operationId: 'getEngine',
        tag: 'service',
        summary: 'Tier in use and why, self-test, what was found on this machine',
        answers: { 200: { description: 'The engine' } },
        errors: [],
      },
    ),
    async () => services.engineFacts(),
  );

  app.get(
    '/metrics',
    operation(
      {},
      {
        operationId: 'getMetrics',
        tag: 'service',
        summary: 'Metrics for Prometheus',
        answers: { 200: { description: 'Text exposition format', content: { 'text/plain': z.string() } } },
        errors: [],
        polled: true,
      },
    ),
    async (_request, reply) => {
      const { registry } = services.serving.metrics;
      return reply.type(registry.contentType).send(await registry.metrics());
    },
  );
}
