import { MillraceError } from '#libs/errors/millrace-error.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Facets = Readonly<Record<string, Readonly<Record<string, Json>>>>;
export const runEventTypes = ['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER'] as const;

export interface NamedEntity {
  readonly namespace: string;
  readonly name: string;
  readonly facets?: Facets;
}

/** OpenLineage 2-0-2: of a run with its job, of a job alone (no run), or of a dataset alone (dataset). */
export interface LineageEvent {
  /** RFC 3339 with an offset. */
  readonly eventTime: string;
  readonly producer: string;
  readonly schemaURL: string;
  readonly eventType?: (typeof runEventTypes)[number];
  readonly run?: { readonly runId: string; readonly facets?: Facets };
  readonly job?: NamedEntity;
  readonly inputs?: readonly NamedEntity[];
  readonly outputs?: readonly NamedEntity[];
  readonly dataset?: NamedEntity;
}

const maxDepth = 50;
const maxDatasets = 1_000;
/** Characters; the specification sets no bound. */
const maxName = 2_000;
const maxProblems = 10;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const uri = /^[a-z][a-z0-9+.-]*:\S+$/i;
/** RFC 3339, section 5.6. */
const dateTime = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * An event by the rules of https://openlineage.io/spec/2-0-2/OpenLineage.json; facets that nobody knows are kept as they are.
 * @throws MillraceError invalid-argument, naming each field that is wrong (ten at most), its value, and what would be right
 */
export function checkLineageEvent(value: unknown): LineageEvent {
  const check = new Check();
  if (depthOf(value) > maxDepth) check.wrong('event', 'a deeper nesting', `at most ${maxDepth} levels`);
  else check.event(value);
  if (check.problems.length === 0) return value as LineageEvent;
  throw new MillraceError('invalid-argument', check.problems.slice(0, maxProblems).join('; '));
}

/** Deeper than `maxDepth` is not looked at. */
function depthOf(value: unknown, level = 0): number {
  if (typeof value !== 'object' || value === null || level > maxDepth) return level;
  return Object.values(value).reduce((deepest: number, one) => Math.max(deepest, depthOf(one, level + 1)), level);
}

class Check {
  readonly problems: string[] = [];

  wrong(path: string, value: unknown, right: string): void {
    const shown = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value)).slice(0, 100);
    this.problems.push(`${path}: ${shown}; it has to be ${right}`);
  }

  event(value: unknown): void {
    const event = this.object('event', value);
    if (event === undefined) return;
    this.text(
      'eventTime',
      event['eventTime'],
      isDateTime,
      'a date-time from 1970 on with an offset, e.g. 2026-11-23T12:59:42.745+00:00',
    );
    for (const field of ['producer', 'schemaURL']) this.uri(field, event[field]);
    const { run, job, dataset } = event;
    if (run !== undefined || job !== undefined) {
      if (dataset !== undefined)
        this.wrong('dataset', dataset, 'left out where there is a run or a job: use inputs and outputs');
      if (run !== undefined) this.run(event);
      this.entity('job', job);
      for (const side of ['inputs', 'outputs'] as const) this.datasets(side, event[side]);
    } else if (dataset !== undefined) this.entity('dataset', dataset);
    else
      this.wrong(
        'event',
        value,
        'a RunEvent (with run and job), a JobEvent (with job) or a DatasetEvent (with dataset)',
      );
  }

  private run({ run, eventType }: Record<string, unknown>): void {
    if (eventType !== undefined && !runEventTypes.includes(eventType as never))
      this.wrong('eventType', eventType, `one of ${runEventTypes.join(', ')}`);
    const found = this.object('run', run);
    if (found === undefined) return;
    this.text('run.runId', found['runId'], (text) => uuid.test(text), 'a UUID');
    this.facets('run.facets', found['facets']);
  }

  private datasets(side: 'inputs' | 'outputs', value: unknown): void {
    if (value === undefined) return;
    if (!Array.isArray(value) || value.length > maxDatasets)
      return this.wrong(side, value, `a list of at most ${maxDatasets} datasets`);
    for (const [i, one] of value.entries()) {
      this.entity(`${side}[${i}]`, one);
      const facets = side === 'inputs' ? 'inputFacets' : 'outputFacets';
      this.facets(`${side}[${i}].${facets}`, (one as Record<string, unknown> | null)?.[facets]);
    }
  }

  private entity(path: string, value: unknown): void {
    const entity = this.object(path, value);
    if (entity === undefined) return;
    const isName = (text: string): boolean => text !== '' && text.length <= maxName && !text.includes('\0');
    for (const field of ['namespace', 'name'])
      this.text(`${path}.${field}`, entity[field], isName, `text of 1 to ${maxName} characters, without U+0000`);
    this.facets(`${path}.facets`, entity['facets']);
  }

  private facets(path: string, value: unknown): void {
    if (value === undefined) return;
    for (const [name, facet] of Object.entries(this.object(path, value) ?? {})) {
      const found = this.object(`${path}.${name}`, facet);
      if (found !== undefined)
        for (const field of ['_producer', '_schemaURL']) this.uri(`${path}.${name}.${field}`, found[field]);
    }
  }

  private object(path: string, value: unknown): Record<string, unknown> | undefined {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    this.wrong(path, value, 'an object');
    return undefined;
  }

  private uri(path: string, value: unknown): void {
    this.text(path, value, (text) => uri.test(text), 'a URI');
  }

  private text(path: string, value: unknown, isRight: (text: string) => boolean, right: string): void {
    if (typeof value !== 'string' || !isRight(value)) this.wrong(path, value, right);
  }
}

function isDateTime(text: string): boolean {
  return dateTime.test(text) && Date.parse(text.replace(' ', 'T')) >= 0;
}

/** As nodes of the graph are called: any character may be in both parts. */
export function nodeId(type: 'job' | 'dataset', { namespace, name }: Omit<NamedEntity, 'facets'>): string {
  return `${type}:${namespace}:${name}`;
}

/** Every way to read `<type>:<namespace>:<name>`, for both parts may have colons; longest namespace first. [] = it is no node id. */
export function readNodeId(id: string): { type: 'job' | 'dataset'; namespace: string; name: string }[] {
  const [, type, rest] = /^(job|dataset):(.*)$/s.exec(id) ?? [];
  const found: { type: 'job' | 'dataset'; namespace: string; name: string }[] = [];
  for (let at = rest?.lastIndexOf(':') ?? -1; at > 0; at = rest!.lastIndexOf(':', at - 1))
    found.push({ type: type as 'job' | 'dataset', namespace: rest!.slice(0, at), name: rest!.slice(at + 1) });
  return found.slice(0, 50);
}
