import { z } from 'zod';
import type { JobEvent } from '../../jobs/index.ts';
import type { JobRecord } from '../../store/index.ts';
import { departureOf } from '../departure.ts';
import { IdempotencyGate, idempotencyHeaders } from '../idempotency.ts';
import { jobId } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { presentJob } from '../present.ts';
import { rateLimited } from '../rate.ts';
import { jobPage, jobRequest, jobSchema } from '../schemas/jobs.ts';
import { pageQuery } from '../schemas/shared.ts';
import type { HttpServices } from '../services.ts';
import { sendEvents, type ServerEvent } from '../sse.ts';
import { storedJobErrors, submitStored } from '../submission.ts';

const byId = z.object({ id: jobId });

/** Longest wait of one poll, below the idle limits of common proxies. */
const MAX_WAIT_SECONDS = 50;

export function jobRoutes(app: App, services: HttpServices): void {
  submitRoute(app, services);
  followRoutes(app, services);

  app.get(
    '/v1/jobs',
    operation(
      { querystring: pageQuery, response: { 200: jobPage } },
      {
        operationId: 'listJobs',
        tag: 'jobs',
        summary: 'List jobs',
        answers: { 200: { description: 'A page' } },
        errors: [],
      },
    ),
    async (request) => {
      const { items, next } = await services.store.metadata.jobs(request.query);
      return { items: items.map((job) => presentJob(job)), next };
    },
  );

  app.delete(
    '/v1/jobs/:id',
    operation(
      { params: byId, response: { 200: jobSchema } },
      {
        operationId: 'cancelJob',
        tag: 'jobs',
        summary: 'Cancel a job that has not ended',
        answers: { 200: { description: 'The cancelled job' } },
        errors: ['JOB_NOT_FOUND', 'JOB_ENDED'],
      },
    ),
    async (request) => presentJob(await services.queue.cancel(request.params.id)),
  );
}

function submitRoute(app: App, services: HttpServices): void {
  const gate = new IdempotencyGate();

  app.post(
    '/v1/jobs',
    rateLimited(
      services,
      operation(
        { headers: idempotencyHeaders, body: jobRequest, response: { 202: jobSchema } },
        {
          operationId: 'createJob',
          tag: 'jobs',
          summary: 'Quantize a stored version with stored data sets',
          answers: { 202: { description: 'Queued', headers: ['Location', 'Retry-After'] } },
          errors: storedJobErrors,
        },
      ),
    ),
    async (request, reply) => {
      const { recipe, calibration, evaluation, ...version } = request.body;
      const spec = { kind: 'quantize', version: undefined, ...version, recipe, calibration, evaluation } as const;
      const job = await submitStored(services, spec, { gate, key: request.headers['idempotency-key'] });
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).header('retry-after', 1).send(presentJob(job));
    },
  );
}

function followRoutes(app: App, services: HttpServices): void {
  app.get(
    '/v1/jobs/:id',
    operation(
      {
        params: byId,
        querystring: z.object({
          wait: z.coerce
            .number()
            .int()
            .min(0)
            .max(MAX_WAIT_SECONDS)
            .default(0)
            .describe('Answer when the job ends, or after so many seconds'),
        }),
        response: { 200: jobSchema },
      },
      {
        operationId: 'getJob',
        tag: 'jobs',
        summary: 'State, stage, progress and result of a job',
        answers: { 200: { description: 'The job' } },
        errors: ['JOB_NOT_FOUND'],
      },
    ),
    async (request, reply) => {
      const { id } = request.params;
      const job = await services.store.metadata.job(id);
      if (request.query.wait === 0 || hasEnded(job)) return presentJob(job);
      const signal = AbortSignal.any([
        AbortSignal.timeout(request.query.wait * 1_000),
        services.stopping,
        departureOf(reply),
      ]);
      let last = job;
      for await (const event of services.queue.follow(id, signal)) last = event.job;
      return presentJob(last);
    },
  );

  app.get(
    '/v1/jobs/:id/events',
    operation(
      {
        params: byId,
        headers: z.object({
          'last-event-id': z
            .string()
            .regex(/^[0-9]{1,15}$/, 'must be the id of an event')
            .optional()
            .describe('Resume after this event'),
        }),
      },
      {
        operationId: 'followJob',
        tag: 'jobs',
        summary: 'The job and each change of it, as server-sent events',
        description: "Each event is named after the job's state and carries the job as JSON; the last one is its end.",
        answers: { 200: { description: 'Events', content: { 'text/event-stream': 'binary' } } },
        errors: ['JOB_NOT_FOUND'],
      },
    ),
    async (request, reply) => {
      const { id } = request.params;
      await services.store.metadata.job(id);
      const seen = Number(request.headers['last-event-id'] ?? -1);
      const signal = AbortSignal.any([services.stopping, departureOf(reply)]);
      await sendEvents(reply, jobEvents(services.queue.follow(id, signal), seen));
    },
  );
}

async function* jobEvents(changes: AsyncIterable<JobEvent>, seen: number): AsyncIterable<ServerEvent> {
  for await (const { sequence, job } of changes) {
    if (sequence > seen) yield { id: sequence, event: job.state, data: presentJob(job) };
  }
}

function hasEnded(job: JobRecord): boolean {
  return job.state !== 'queued' && job.state !== 'running';
}
