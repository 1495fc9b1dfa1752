import { useEffect, useMemo, useState } from 'preact/hooks';

/** What the address says: `#/<path>?<query>`. */
export interface Route {
  readonly path: string;
  readonly query: URLSearchParams;
}

function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  return { path: path === '' ? '/mesh' : path, query: new URLSearchParams(query) };
}

/** As it is now, also before the page has drawn it. */
export function currentRoute(): Route {
  return routeOf(location.hash);
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener('hashchange', changed);
    changed(); // it may have changed before this listened
    return () => removeEventListener('hashchange', changed);
  }, []);
  return useMemo(() => routeOf(hash), [hash]);
}

/** The address of a page, e.g. for a link: `#/streams?stream=arrivals`. Empty values are left out. */
export function hrefOf(path: string, query: Readonly<Record<string, string>> = {}): string {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''));
  return given.size === 0 ? `#${path}` : `#${path}?${given}`;
}

export function goTo(path: string, query: Readonly<Record<string, string>> = {}): void {
  location.hash = hrefOf(path, query);
}
