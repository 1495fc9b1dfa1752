import { MillraceError } from '#libs/errors/millrace-error.js';

/** A whole number from 0 of a query or a body; absent or '' = fallback. @throws MillraceError invalid-argument naming the field */
export function wholeNumber(field: string, given: unknown, fallback: number): number {
  if (given === undefined || given === '') return fallback;
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new MillraceError(
      'invalid-argument',
      `${field}: "${String(given).slice(0, 40)}" is not a whole number from 0`,
    );
  return value;
}
