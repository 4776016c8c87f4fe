import type { Report } from '../lab/index.ts';
import { UsageError } from './command.ts';

/** The report as the file's name asks for it. @throws UsageError for another extension than .json */
export function renderReportFile(path: string, report: Report): string {
  if (/\.json$/i.test(path)) return `${JSON.stringify(report, null, 2)}\n`;
  throw new UsageError(`--report is '${path}'; allowed: a name that ends in .json.`);
}
