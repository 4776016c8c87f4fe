import { renderReport, type Report } from '../lab/index.ts';
import { UsageError } from './command.ts';

/** How a report is written: by the file's name, decided before any work is done. */
export type ReportWriter = (report: Report) => string;

/** @throws UsageError for another extension than .json and .html */
export function reportWriterFor(path: string): ReportWriter {
  if (/\.json$/i.test(path)) return (report) => `${JSON.stringify(report, null, 2)}\n`;
  if (/\.html?$/i.test(path)) return renderReport;
  throw new UsageError(`--report is '${path}'; allowed: a name that ends in .json or .html.`);
}
