import { z } from 'zod';
import { AppError } from '../../base/index.ts';
import { renderReport, reportSchema } from '../../lab/index.ts';
import { selectVersion } from '../../serving/index.ts';
import type { VersionRecord } from '../../store/index.ts';
import { modelName, versionSelector } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { sendPage } from '../page.ts';
import type { HttpServices } from '../services.ts';

const byVersion = z.object({ name: modelName, version: versionSelector });

/** The report of an int8 version that a job made. */
export function reportRoutes(app: App, services: HttpServices): void {
  const find = async (name: string, selector: string): Promise<VersionRecord & { reportSha256: string }> => {
    const version = selectVersion(await services.store.metadata.model(name), selector);
    const { reportSha256 } = version;
    if (reportSha256 !== undefined) return { ...version, reportSha256 };
    throw new AppError('REPORT_NOT_FOUND', `Version ${version.version} of '${name}' was uploaded, not made by a job.`);
  };
  const errors = ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'REPORT_NOT_FOUND', 'ARTIFACT_DAMAGED'] as const;

  app.get(
    '/v1/models/:name/versions/:version/report',
    operation(
      { params: byVersion },
      {
        operationId: 'getReport',
        tag: 'models',
        summary: 'What the quantization did to the model, as JSON',
        answers: { 200: { description: 'The report', content: { 'application/json': reportSchema } } },
        errors,
      },
    ),
    async (request, reply) => {
      const version = await find(request.params.name, request.params.version);
      const bytes = await services.store.artifacts.read(version.reportSha256);
      return reply.type('application/json; charset=utf-8').send(Buffer.from(bytes));
    },
  );

  app.get(
    '/v1/models/:name/versions/:version/report.html',
    operation(
      { params: byVersion },
      {
        operationId: 'getReportPage',
        tag: 'models',
        summary: 'The report as one self-contained page',
        answers: { 200: { description: 'The page', content: { 'text/html': 'binary' } } },
        errors,
      },
    ),
    async (request, reply) => {
      const version = await find(request.params.name, request.params.version);
      const bytes = await services.store.artifacts.read(version.reportSha256);
      const html = renderReport(JSON.parse(new TextDecoder().decode(bytes)));
      return sendPage(reply, html);
    },
  );
}
