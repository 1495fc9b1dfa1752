import type { AnsweredRow } from './ask-rows.js';
import type { OutputFormat } from './batch-plan.js';
import type { Rejection } from './input-row.js';
import { answerColumns, type RunColumns } from './run-columns.js';

/** What turns answered rows into lines: `row`, the kept columns, then the answer. */
export interface OutputRows {
  /** What a file begins with; may be empty. */
  readonly header: string;
  line(answered: AnsweredRow): string;
}

/** @param more columns that every row has the same, before all others */
export function outputRows(
  format: OutputFormat,
  { kept }: Pick<RunColumns, 'kept'>,
  score: string,
  more: Readonly<Record<string, string>> = {},
): OutputRows {
  const [row, ...answer] = answerColumns(score);
  const names = [...Object.keys(more), row!, ...kept, ...answer];
  const values = ({ asked, answer: { score, predictionId, version, fallback } }: AnsweredRow): unknown[] => [
    ...Object.values(more),
    asked.row,
    ...asked.kept,
    shortestFloat(score),
    predictionId,
    version,
    fallback,
  ];
  if (format === 'csv')
    return {
      header: `${names.map(csvCell).join(',')}\n`,
      line: (answered) => `${values(answered).map(csvCell).join(',')}\n`,
    };
  const keys = names.map((name) => JSON.stringify(name));
  return {
    header: '',
    line: (answered) =>
      `{${values(answered)
        .map((value, i) => `${keys[i]}:${jsonCell(value)}`)
        .join(',')}}\n`,
  };
}

/** As a line of the file of rejected rows. */
export function rejectionLine({ row, line, reason }: Rejection): string {
  return `${JSON.stringify(line === 0 ? { row, reason } : { row, line, reason })}\n`;
}

/** The number with the fewest digits that is the same float32: 0.1, where a double would say 0.10000000149011612. */
export function shortestFloat(value: number): number {
  const float = Math.fround(value);
  for (let digits = 6; digits <= 9; digits++) {
    const shorter = Number(float.toPrecision(digits));
    if (Math.fround(shorter) === float) return shorter;
  }
  return float; // NaN and infinities
}

/** What JSON has no number for stands as ClickHouse reads it. */
function jsonCell(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${String(value).toLowerCase()}"`;
  return JSON.stringify(value) ?? 'null';
}

/** RFC 4180; null and missing are empty. */
function csvCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
