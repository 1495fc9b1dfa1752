import { MillraceError } from '#libs/errors/millrace-error.js';
import type { EventsQuestion, Page } from '../outbound/lineage-reader.store.js';

const [defaultLimit, maxLimit, maxOffset] = [100, 1_000, 1_000_000];
/** The end of what ISO 8601 writes with four digits. */
const lastMs = Date.UTC(9999, 11, 31);

export interface PageQuery {
  readonly limit?: string;
  readonly offset?: string;
}

export interface EventsQuery extends PageQuery {
  readonly before?: string;
  readonly after?: string;
  readonly sortDirection?: string;
}

/** @throws MillraceError invalid-argument */
export function pageOf({ limit, offset }: PageQuery): Page {
  return {
    limit: readNumber('limit', limit, defaultLimit, maxLimit),
    offset: readNumber('offset', offset, 0, maxOffset),
  };
}

/** Newest first, as Marquez does. @throws MillraceError invalid-argument */
export function eventsQuestion({ before, after, sortDirection = 'desc', ...page }: EventsQuery): EventsQuestion {
  if (!/^(asc|desc)$/i.test(sortDirection)) wrong('sortDirection', sortDirection, 'asc or desc');
  return {
    ...pageOf(page),
    afterMs: readTime('after', after, 0),
    beforeMs: readTime('before', before, lastMs),
    newestFirst: sortDirection.toLowerCase() === 'desc',
  };
}

/** A whole number from 0 to `max`. @throws MillraceError invalid-argument */
export function readNumber(name: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined || text === '') return fallback;
  const number = Number(text);
  if (!/^\d{1,9}$/.test(text) || number > max) wrong(name, text, `a whole number from 0 to ${max}`);
  return number;
}

function readTime(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  const ms = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(text) ? Date.parse(text) : NaN;
  if (!(ms >= 0)) wrong(name, text, 'a date-time, e.g. 2026-11-23T12:59:42Z');
  return Math.min(ms, lastMs);
}

function wrong(name: string, value: unknown, right: string): never {
  throw new MillraceError('invalid-argument', `${name}: ${JSON.stringify(value).slice(0, 100)} has to be ${right}`);
}
