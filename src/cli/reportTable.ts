import type { LatencyReport, Report } from '../lab/index.ts';
import { formatBytes, formatMs, formatShare, formatTable } from './text.ts';

/** Before and after, and the verdict in words. */
export function reportTable(report: Report): string {
  const { size, accuracy, latency, paired, verdict, search } = report;
  const rows: (readonly string[])[] = [
    ['', 'fp32', 'int8', ''],
    ['size', formatBytes(size.fp32Bytes), formatBytes(size.int8Bytes), `${size.ratio.toFixed(2)}x smaller`],
  ];
  if (accuracy?.fp32.top1 && accuracy.int8.top1) {
    const [before, after] = [accuracy.fp32.top1.share, accuracy.int8.top1.share];
    const points = (after - before) * 100;
    rows.push([
      'top-1',
      formatShare(before),
      formatShare(after),
      `${points > 0 ? '+' : ''}${points.toFixed(2)} points`,
    ]);
  }
  const time = (found: LatencyReport | undefined, key: 'p50Ms' | 'p99Ms'): string =>
    found ? formatMs(found[key]) : '';
  rows.push(
    [
      'latency, p50',
      time(latency.fp32, 'p50Ms'),
      time(latency.int8, 'p50Ms'),
      latency.speedup === undefined ? '' : `${latency.speedup.toFixed(2)}x the speed`,
    ],
    ['latency, p99', time(latency.fp32, 'p99Ms'), time(latency.int8, 'p99Ms'), ''],
    ['runs on', latency.fp32?.runner ?? report.executor, latency.int8?.runner ?? `octet (${report.engine.tier})`, ''],
  );
  const lines = [formatTable(rows), '', verdict.headline];
  if (paired)
    lines.push(`Both give the same answer on ${formatShare(paired.agreement)} of ${paired.samples} evaluation images.`);
  if (search) lines.push('', searchTable(search), '');
  lines.push(...(report.calibration?.findings ?? []).map(({ text }) => `Calibration: ${text}`));
  lines.push(...report.warnings.map((warning) => `Note: ${warning}`));
  return lines.join('\n');
}

/** The candidates that are worth a choice: those on the Pareto front, the given recipe and the one in the file. */
function searchTable({ candidates, chosen, spentSeconds, selection }: NonNullable<Report['search']>): string {
  const level = ({ top1, agreement, sqnrDb }: (typeof candidates)[number]): string => {
    if (top1 !== undefined) return formatShare(top1);
    return agreement === undefined ? `${sqnrDb?.toFixed(1) ?? '∞'} dB` : formatShare(agreement);
  };
  const [first] = candidates;
  const unit = first?.top1 !== undefined ? 'top-1' : first?.agreement !== undefined ? 'agreement' : 'SQNR';
  const rows = candidates
    .map((candidate, index) => ({ ...candidate, index }))
    .filter(({ pareto, index }) => pareto || index === 0 || index === chosen)
    .map((candidate) => [
      candidate.index === chosen ? `${candidate.title} (in the file)` : candidate.title,
      level(candidate),
      formatMs(candidate.p50Ms),
      formatBytes(candidate.int8Bytes),
    ]);
  return (
    `Search: ${candidates.length} recipes in ${spentSeconds.toFixed(0)} s, on ${selection.samples} samples that chose and prove nothing.\n` +
    formatTable([['recipe', unit, 'latency, p50', 'size'], ...rows])
  );
}
