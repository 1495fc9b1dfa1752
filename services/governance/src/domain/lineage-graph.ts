import type { Facets, LineageEvent } from './lineage-event.js';

/** As Marquez calls them. */
export type RunState = 'NEW' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'ABORTED';

/** What is known of a run. Times are epoch ms; undefined = not known yet. */
export interface LineageRun {
  readonly state: RunState;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  readonly facets: Facets;
}

export const newRun: LineageRun = { state: 'NEW', startedMs: undefined, endedMs: undefined, facets: {} };

const ends: Readonly<Record<string, RunState>> = { COMPLETE: 'COMPLETED', FAIL: 'FAILED', ABORT: 'ABORTED' };
const maxFacets = 200;
const maxFacetBytes = 1024 * 1024;

/** The run after an event, in whatever order they come: one that has ended does not run again, and of two ends the later one counts. */
export function runAfter(run: LineageRun, event: LineageEvent): LineageRun {
  const atMs = eventMs(event);
  const type = event.eventType ?? 'OTHER';
  const facets = mergeFacets(run.facets, event.run?.facets);
  const end = ends[type];
  if (end !== undefined) {
    const isLast = run.endedMs === undefined || atMs >= run.endedMs;
    return { ...run, facets, ...(isLast ? { state: end, endedMs: atMs } : {}) };
  }
  const startedMs = type === 'START' ? Math.min(atMs, run.startedMs ?? atMs) : run.startedMs;
  const state = run.state === 'NEW' && type !== 'OTHER' ? 'RUNNING' : run.state;
  return { ...run, facets, startedMs, state };
}

/** A facet replaces the one of its name; one with `_deleted` takes it away. Of very many, those that came last are kept. */
export function mergeFacets(before: Facets, change: Facets | undefined): Facets {
  const merged = new Map(Object.entries(before));
  for (const [name, facet] of Object.entries(change ?? {})) {
    merged.delete(name);
    if (facet['_deleted'] !== true) merged.set(name, facet);
  }
  const kept: [string, Facets[string]][] = [];
  let bytes = 0;
  for (const [name, facet] of [...merged].toReversed()) {
    bytes += name.length + JSON.stringify(facet).length;
    if (kept.length === maxFacets || bytes > maxFacetBytes) break;
    kept.push([name, facet]);
  }
  return Object.fromEntries(kept.toReversed());
}

export function eventMs({ eventTime }: LineageEvent): number {
  return Date.parse(eventTime.replace(' ', 'T'));
}
