import { describe, expect, it } from '@jest/globals';
import { checkLineageEvent, nodeId, readNodeId } from './lineage-event.js';
import { mergeFacets, newRun, runAfter } from './lineage-graph.js';

const producer = 'https://example.org/mesh/trainer';
const schemaURL = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent';
const facet = (over: object = {}) => ({ _producer: producer, _schemaURL: `${producer}/facet.json`, ...over });
const event = (over: object = {}): object => ({
  eventTime: '2026-11-23T12:59:42.745781+00:00',
  eventType: 'COMPLETE',
  producer,
  schemaURL,
  run: { runId: '01a2087d-a919-7d36-a895-0f6f783e9180', facets: { nobodyKnows: facet({ deep: { er: [1, null] } }) } },
  job: { namespace: 'mlops-mesh', name: 'trainer.credit', facets: {} },
  inputs: [{ namespace: 'clickhouse://ch:8123', name: 'a.b', facets: { schema: facet() }, inputFacets: {} }],
  outputs: [{ namespace: 'abfss://data@account.dfs.core.windows.net', name: '/m ü/"x"', outputFacets: {} }],
  ...over,
});
const without = (...fields: string[]) =>
  Object.fromEntries(Object.entries(event()).filter(([name]) => !fields.includes(name)));

describe('an OpenLineage event', () => {
  it.each([
    ['of a run', event()],
    ['of a run, without a type', without('eventType', 'inputs', 'outputs')],
    ['of a job', without('run', 'eventType')],
    ['of a dataset', { ...without('run', 'job', 'inputs', 'outputs'), dataset: { namespace: 'a', name: 'b' } }],
    [
      'with a facet that takes one away',
      event({ job: { namespace: 'a', name: 'b', facets: { x: facet({ _deleted: true }) } } }),
    ],
  ])('%s is taken as it is', (_what, one) => {
    expect(checkLineageEvent(one)).toBe(one);
  });

  it.each([
    [[], 'event: []; it has to be an object'],
    [{ ...without('run', 'job') }, /it has to be a RunEvent \(with run and job\), a JobEvent/],
    [without('job'), 'job: missing; it has to be an object'],
    [without('eventTime'), /^eventTime: missing; it has to be a date-time/],
    [event({ eventTime: '2026-11-23T12:59:42' }), /^eventTime: "2026-11-23T12:59:42"; .*with an offset/],
    [event({ eventTime: '2026-13-41T12:59:42Z' }), /^eventTime: /],
    [event({ eventTime: '0000-01-01T00:00:00Z' }), /^eventTime: .*from 1970 on/],
    [event({ producer: 'me' }), 'producer: "me"; it has to be a URI'],
    [without('schemaURL'), 'schemaURL: missing; it has to be a URI'],
    [
      event({ eventType: 'DONE' }),
      'eventType: "DONE"; it has to be one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER',
    ],
    [event({ run: { runId: 'run-7' } }), 'run.runId: "run-7"; it has to be a UUID'],
    [event({ job: { namespace: 'a', name: '' } }), /^job.name: ""; it has to be text of 1 to 2000 characters/],
    [event({ job: { namespace: 'a\0', name: 'b' } }), /^job.namespace: "a\\u0000"/],
    [event({ inputs: {} }), 'inputs: {}; it has to be a list of at most 1000 datasets'],
    [event({ inputs: Array.from({ length: 1_001 }, () => null) }), /a list of at most 1000 datasets/],
    [event({ outputs: [{ namespace: 'a', name: 'b' }, { name: 'c' }] }), /^outputs\[1\].namespace: missing/],
    [event({ outputs: [null] }), 'outputs[0]: null; it has to be an object'],
    [
      event({ run: { runId: crypto.randomUUID(), facets: { x: { _producer: producer } } } }),
      'run.facets.x._schemaURL: missing; it has to be a URI',
    ],
    [
      event({ inputs: [{ namespace: 'a', name: 'b', inputFacets: { x: 7 } }] }),
      'inputs[0].inputFacets.x: 7; it has to be an object',
    ],
    [event({ dataset: { namespace: 'a', name: 'b' } }), /^dataset: .*left out where there is a run or a job/],
    [event({ run: { runId: 7 }, eventType: 7 }), /^eventType: 7.*; run.runId: 7/],
  ])('%# that is wrong is told the field, the value and what would be right', (one, message) => {
    expect(() => checkLineageEvent(one)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect(() => checkLineageEvent(one)).toThrow(message);
  });

  it('is bounded in depth', () => {
    const nested = JSON.parse(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`) as object;
    expect(() =>
      checkLineageEvent(event({ run: { runId: crypto.randomUUID(), facets: { x: facet({ nested }) } } })),
    ).toThrow(/at most 50 levels/);
  });
});

describe('the id of a node', () => {
  it('may be read in every way in which it may have been written', () => {
    const one = { namespace: 'kafka://host:9092', name: 'a:b' };
    expect(nodeId('dataset', one)).toBe('dataset:kafka://host:9092:a:b');
    expect(readNodeId(nodeId('dataset', one))).toContainEqual({ type: 'dataset', ...one });
    expect(readNodeId('run:a:b')).toEqual([]);
    expect(readNodeId('job:a')).toEqual([]);
    expect(readNodeId(`job:${':'.repeat(10_000)}`).length).toBeLessThanOrEqual(50);
  });
});

describe('a run', () => {
  const at = (eventType: string, minute: number) =>
    checkLineageEvent(event({ eventType, eventTime: `2026-11-23T12:${minute}:00Z` }));
  const after = (...events: [string, number][]) =>
    events.reduce((run, [type, minute]) => runAfter(run, at(type, minute)), newRun);
  const ms = (minute: number) => Date.UTC(2026, 10, 23, 12, minute);

  it('has the state of its events, in whatever order they come', () => {
    const done = { state: 'COMPLETED', startedMs: ms(10), endedMs: ms(20) };
    expect(after(['START', 10], ['COMPLETE', 20])).toMatchObject(done);
    expect(after(['COMPLETE', 20], ['START', 10])).toMatchObject(done);
    expect(after(['START', 10], ['COMPLETE', 20], ['RUNNING', 15], ['OTHER', 30])).toMatchObject(done);
    expect(after(['OTHER', 10])).toMatchObject({ state: 'NEW', startedMs: undefined });
    expect(after(['RUNNING', 10])).toMatchObject({ state: 'RUNNING', startedMs: undefined });
    expect(after(['FAIL', 20], ['ABORT', 15])).toMatchObject({ state: 'FAILED', endedMs: ms(20) });
    expect(after(['START', 10], ['ABORT', 15])).toMatchObject({ state: 'ABORTED' });
  });

  it('has the newest facet of each name, but for those that were taken away, and at most 200 of them or 1 MiB', () => {
    const merged = mergeFacets(
      { a: facet({ v: 1 }), b: facet() },
      { a: facet({ v: 2 }), b: facet({ _deleted: true }) },
    );
    expect(merged).toEqual({ a: facet({ v: 2 }) });
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, facet()]));
    expect(Object.keys(mergeFacets(merged, many))).toEqual(Array.from({ length: 200 }, (_, i) => `f${i + 100}`));
    const large = facet({ text: 'x'.repeat(700_000) });
    expect(Object.keys(mergeFacets({ a: large }, { b: large }))).toEqual(['b']);
  });
});
