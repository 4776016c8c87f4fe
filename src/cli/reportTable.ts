import type { LatencyReport, Report } from '../lab/index.ts';
import { formatBytes, formatMs, formatShare, formatTable } from './text.ts';

/** Before and after, and the verdict in words. */
export function reportTable(report: Report): string {
  const { size, accuracy, latency, paired, verdict } = report;
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
  lines.push(...report.warnings.map((warning) => `Note: ${warning}`));
  return lines.join('\n');
}
