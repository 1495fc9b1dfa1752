import { timestampMs } from '#libs/definitions/timestamp.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** A value of the address as text: the first, where it is there twice. */
export function textOf(value: unknown): string {
  return String((Array.isArray(value) ? value[0] : value) ?? '');
}

/** Empty = 0. @throws MillraceError invalid-argument: not a number */
export function numberOf(name: string, value: unknown): number {
  const number = Number(textOf(value));
  if (Number.isFinite(number)) return number;
  throw new MillraceError('invalid-argument', `${name}: "${textOf(value).slice(0, 50)}" is not a number`);
}

/** Epoch ms of RFC 3339; empty = 0. @throws MillraceError invalid-argument */
export function instantOf(name: string, value: unknown): number {
  const text = textOf(value);
  if (text === '') return 0;
  const ms = timestampMs(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new MillraceError('invalid-argument', `${name}: "${text.slice(0, 50)}" is not like 2001-06-20T00:00:00Z`);
}

/** JSON has no NaN: what is not known is null. */
export function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** A text of a body. @throws MillraceError invalid-argument: missing, no text, or longer than `most` */
export function bodyText(body: Readonly<Record<string, unknown>>, name: string, most = 1_000): string {
  const value = body[name];
  if (typeof value !== 'string' || value.length > most)
    throw new MillraceError('invalid-argument', `${name}: must be a text of at most ${most} characters`);
  return value;
}
