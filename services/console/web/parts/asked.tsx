import type { VNode } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { getJson } from '../api.js';
import { ErrorBox, Loading } from './states.js';

export interface Answer<T> {
  readonly value?: T;
  readonly error?: Error;
  readonly again: () => void;
}

/** Asks /api for JSON, again when the path changes, and every `everyMs` while the page is seen. An answer of before stays until the next. */
export function useAnswer<T>(path: string, everyMs?: number): Answer<T> {
  const [answer, setAnswer] = useState<{ path: string; value?: T; error?: Error }>({ path });
  const [asked, setAsked] = useState(0);
  const again = useCallback(() => setAsked((times) => times + 1), []);
  useEffect(() => {
    let current = true;
    getJson<T>(path).then(
      (value) => current && setAnswer({ path, value }),
      (error: Error) => current && setAnswer({ path, error }),
    );
    return () => {
      current = false;
    };
  }, [path, asked]);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => document.hidden || again(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  const { value, error } = answer.path === path ? answer : { value: undefined, error: undefined };
  return { ...(value === undefined ? {} : { value }), ...(error === undefined ? {} : { error }), again };
}

interface AskedProps<T> {
  /** Under /api. */
  readonly path: string;
  /** For a person: what is asked for. */
  readonly what: string;
  readonly everyMs?: number;
  readonly children: (value: T, again: () => void) => VNode;
}

/** A part of a page that shows an answer of /api: waiting, refused, or there. */
export function Asked<T>({ path, what, everyMs, children }: AskedProps<T>): VNode {
  const { value, error, again } = useAnswer<T>(path, everyMs);
  if (error !== undefined) return <ErrorBox error={error} onRetry={again} />;
  if (value === undefined) return <Loading what={what} />;
  return children(value, again);
}
