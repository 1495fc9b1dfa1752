import type { Outcome } from './comparison.js';
import { failedShare } from './generator.js';
import { blockRows } from './measure.js';

/** One line a peer and model, while the comparison runs. */
export function outcomeLine(outcome: Outcome): string {
  if ('problem' in outcome) return outcome.problem;
  const { full, half, thousand, alone, block, stream, pssMiB } = outcome;
  return [
    `${Math.round(full.perSecond)}/s, ${full.cpuUs} us CPU, p99 ${full.p99Ms} ms`,
    `half: p50 ${half.p50Ms} p99 ${half.p99Ms} p99.9 ${half.p999Ms} ms (generator late by ${half.lateP99Ms}), ${half.cpuUs} us, failed ${(failedShare(half) * 100).toFixed(2)} %`,
    ...(thousand === undefined ? [] : [`1,000/s: p50 ${thousand.p50Ms} p99 ${thousand.p99Ms} ms`]),
    `alone: p50 ${alone.p50Ms} p99 ${alone.p99Ms} ms`,
    `${blockRows} rows: ${Math.round(block.perSecond)}/s ${block.cpuUs} us`,
    ...(stream === undefined ? [] : [`stream: ${Math.round(stream.perSecond * blockRows)} rows/s`]),
    `${pssMiB} MiB`,
  ].join('; ');
}
