import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { projectRoot } from '#libs/storage/sql-file.js';
import { planOf } from '../../test/plan.js';
import { lineageEvent, lineageRunId } from './lineage-of-run.js';
import { type Run, type Step, type StepName, stepNames } from './run.js';

const schema = JSON.parse(
  readFileSync(join(projectRoot(), 'services/trainer/openlineage/training-run-facet.schema.json'), 'utf8'),
) as object;
const isTrainingFacet = new Ajv().compile(schema);
const context = { broker: 'kafka:9092', streams: ['departures', 'arrivals'], codeCommit: 'c'.repeat(40) };
const atMs = Date.UTC(2026, 10, 23, 12);

interface Told {
  eventTime: string;
  eventType: string;
  run: { runId: string; facets: Record<string, Record<string, unknown>> };
  job: { namespace: string; name: string };
  inputs: { namespace: string; name: string; facets?: Record<string, { fields?: unknown; datasetVersion?: string }> }[];
  outputs: { namespace: string; name: string; facets: object }[];
}

function tell(over: Partial<Run>, made: Partial<Record<StepName, object>> = {}): Told {
  const run: Run = {
    runId: '01a2087d-a919-7d36-a895-0f6f783e9180',
    state: 'running',
    reason: 'manual',
    plan: planOf('p'),
    error: '',
    modelVersion: '',
    createdMs: 1,
    steps: stepNames.map((name) => ({ name, outputs: made[name] ?? {} }) as Step),
    ...over,
  };
  const told = lineageEvent(run, atMs, context);
  expect(lineageEvent(run, atMs, context)).toEqual(told);
  return told as Told;
}

const made = {
  dataset: { sha256: 'd1', rows: 10, features: ['a', 'b'], digest: 'dig' },
  train: { model: 'm', modelSha256: 'x', metrics: { 'validate.auc': 0.9, 'validate.logloss': Number.NaN } },
  convert: { onnx: '/o', onnxSha256: 'o1', input: 'input', output: 'probabilities' },
};

describe('the lineage of a run', () => {
  it('begins with its streams and features', () => {
    const told = tell({});
    expect(told).toMatchObject({
      eventType: 'START',
      eventTime: '2026-11-23T12:00:00.000Z',
      job: { namespace: 'millrace', name: 'trainer.p' },
      outputs: [],
    });
    expect(told.inputs.map(({ namespace, name }) => `${namespace} ${name}`)).toEqual([
      'kafka://kafka:9092 events.departures.valid.v1',
      'kafka://kafka:9092 events.arrivals.valid.v1',
      'millrace features.f',
    ]);
  });

  it('ends with the training set, its columns and hash, and the version that came of it', () => {
    const told = tell({ state: 'succeeded', modelVersion: '7' }, made);
    expect(told.eventType).toBe('COMPLETE');
    const snapshot = told.inputs.at(-1)!;
    expect(snapshot).toMatchObject({
      namespace: 'millrace',
      name: 'datasets.m',
      facets: { version: { datasetVersion: 'd1' } },
    });
    expect(snapshot.facets?.['schema']?.fields).toEqual(
      ['a FLOAT', 'b FLOAT', 'label FLOAT', 'split STRING', 'event_time INT64', 'join_key STRING'].map((column) => {
        const [name, type] = column.split(' ');
        return { name, type };
      }),
    );
    expect(told.outputs).toMatchObject([
      { namespace: 'millrace', name: 'models.m', facets: { version: { datasetVersion: '7' } } },
    ]);
    expect(told.run.facets['millrace_training']).toMatchObject({
      reason: 'manual',
      params: { algorithm: 'lightgbm', num_iterations: '20' },
      metrics: { 'validate.auc': 0.9 },
      datasetSha256: 'd1',
      onnxSha256: 'o1',
      modelVersion: '7',
      codeCommit: context.codeCommit,
    });
  });

  it.each([
    ['failed', 'FAIL'],
    ['refused', 'FAIL'],
    ['cancelled', 'ABORT'],
  ] as const)('that was %s is a %s with the reason', (state, type) => {
    const told = tell({ state, error: 'gate does not hold' }, { dataset: made.dataset });
    expect(told).toMatchObject({
      eventType: type,
      outputs: [],
      run: { facets: { errorMessage: { message: 'gate does not hold' } } },
    });
  });

  it('has a facet of its own, by its schema', () => {
    for (const told of [
      tell({}),
      tell({ state: 'succeeded', modelVersion: '7' }, made),
      tell({ state: 'failed', error: 'x' }),
    ])
      expect([isTrainingFacet(told.run.facets['millrace_training']), isTrainingFacet.errors]).toEqual([true, null]);
  });

  it('is under the run id where that is a UUID, else under one that follows from it', () => {
    expect(tell({}).run.runId).toBe('01a2087d-a919-7d36-a895-0f6f783e9180');
    const derived = lineageRunId('nightly-7');
    expect(derived).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(lineageRunId('nightly-7')).toBe(derived);
    expect(lineageRunId('nightly-8')).not.toBe(derived);
  });
});
