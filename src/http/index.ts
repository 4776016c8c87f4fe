export { openAccess } from './access.ts';
export type { Access } from './access.ts';
export { openapiDocument } from './openapiDocument.ts';
export type { DocumentedRoute } from './openapiDocument.ts';
export type { App } from './operation.ts';
export { registerHttp } from './registerHttp.ts';
export type { EngineFacts, HttpLimits, HttpServices } from './services.ts';
export { problemDocument, statusOf } from './problem.ts';
export { Staging } from './uploads/staging.ts';
