import { MillraceError } from '#libs/errors/millrace-error.js';

/** Where a page of the prediction log ended: the next one begins with the newest row that is older than this, or as old with a smaller id. */
export interface LogCursor {
  readonly asOfMs: number;
  readonly predictionId: string;
}

const form = /^(-?\d{1,14})\/(.{1,256})$/su;

export function encodeCursor({ asOfMs, predictionId }: LogCursor): string {
  return Buffer.from(`${asOfMs}/${predictionId}`).toString('base64url');
}

/** @throws MillraceError invalid-argument: no cursor that `encodeCursor` made */
export function decodeCursor(text: string): LogCursor {
  const [, asOf, predictionId] = form.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  const cursor = { asOfMs: Number(asOf), predictionId: predictionId ?? '' };
  if (predictionId === undefined || encodeCursor(cursor) !== text)
    throw new MillraceError(
      'invalid-argument',
      `before: "${text.slice(0, 100)}" is not the \`next\` of a page; leave it empty for the first one`,
    );
  return cursor;
}
