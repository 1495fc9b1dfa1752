import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Rejection } from './input-row.js';
import type { PreparedRow } from './prepare-chunks.js';

export interface RowAnswer {
  readonly score: number;
  readonly predictionId: string;
  readonly version: string;
  /** The endpoint's declared fallback answered, for a part of the mesh was away. */
  readonly fallback: boolean;
}

export interface AnsweredRow {
  readonly asked: PreparedRow;
  readonly answer: RowAnswer;
}

/** Asks for rows together: an answer for each, in order, or a MillraceError for all of them. */
export type AskTogether = (rows: readonly PreparedRow[]) => Promise<readonly RowAnswer[]>;

export interface AskedRows {
  readonly answered: readonly AnsweredRow[];
  readonly rejected: readonly Rejection[];
}

/**
 * Answers for all rows but those that are refused by themselves: one bad row costs a request its answer, so that what is refused is asked in halves until it is one row.
 * @param maxRejected more are not looked for: then the last refusal is thrown
 * @throws MillraceError what is wrong with more than a row
 */
export async function askRows(rows: readonly PreparedRow[], ask: AskTogether, maxRejected: number): Promise<AskedRows> {
  const answered: AnsweredRow[] = [];
  const rejected: Rejection[] = [];
  const askPart = async (part: readonly PreparedRow[]): Promise<void> => {
    try {
      const answers = await ask(part);
      part.forEach((asked, i) => answered.push({ asked, answer: answers[i]! }));
    } catch (error) {
      if (!(error instanceof MillraceError) || !isOfRows(error)) throw error;
      if (part.length > 1) {
        const half = part.length >> 1;
        await askPart(part.slice(0, half));
        return askPart(part.slice(half));
      }
      const [{ row, line }] = part as [PreparedRow];
      rejected.push({ row, line, reason: error.message });
      if (rejected.length > maxRejected) throw tooManyRejected(maxRejected, rejected.at(-1)!);
    }
  };
  if (rows.length > 0) await askPart(rows);
  return { answered, rejected };
}

/** Of the moment or of the endpoint is everything else. */
function isOfRows({ code }: MillraceError): boolean {
  return code === 'invalid-argument' || code === 'payload-too-large';
}

/** What is said where a run ends because of its rows. */
export function tooManyRejected(maxRejected: number, { row, line, reason }: Rejection): MillraceError {
  const where = line === 0 ? `row ${row}` : `row ${row} (line ${line})`;
  return new MillraceError(
    'invalid-argument',
    `${where}: ${reason}; more than --max-errors ${maxRejected} rows were refused. What was done before is kept: repair the endpoint or allow more, and give the same command again`,
  );
}
