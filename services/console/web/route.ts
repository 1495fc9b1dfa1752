import { useEffect, useState } from 'preact/hooks';

/** What the address says: `#/<path>?<query>`. */
export interface Route {
  readonly path: string;
  readonly query: URLSearchParams;
}

export function currentRoute(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#/, '').split('?', 2);
  return { path: path === '' ? '/mesh' : path, query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const changed = (): void => setRoute(currentRoute());
    addEventListener('hashchange', changed);
    changed(); // it may have changed since it was first read
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** The address of a page, e.g. for a link: `#/streams?stream=arrivals`. Empty values are left out. */
export function hrefOf(path: string, query: Readonly<Record<string, string>> = {}): string {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''));
  return given.size === 0 ? `#${path}` : `#${path}?${given}`;
}

export function goTo(path: string, query: Readonly<Record<string, string>> = {}): void {
  location.hash = hrefOf(path, query);
}
