import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { checkDefinitions } from './check-definitions.js';
import { featureNames, type FeatureServiceSpec, type Specs, type Kind, type StreamSpec } from './definition-kinds.js';
import { diffSpecs } from './diff-definitions.js';

function folder(path: string) {
  const root = join(projectRoot(), path);
  return readdirSync(root)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => ({ path: name, text: readFileSync(join(root, name), 'utf8') }));
}

const nothing = new Map<string, Specs[Kind]>();
const places = (problems: ReturnType<typeof checkDefinitions>['problems']) =>
  problems.map(({ path, line, column, code }) => `${path}:${line}:${column} ${code}`);

describe('a folder of definitions', () => {
  it('without a mistake is normalised, in the order of dependence', () => {
    const { problems, definitions } = checkDefinitions(folder('examples/flights/definitions'), nothing);
    expect(problems).toEqual([]);
    const kindsInOrder = [...new Set(definitions.map(({ kind }) => kind))];
    expect(kindsInOrder).toEqual([
      'Stream',
      'Source',
      'FeatureView',
      'FeatureService',
      'Model',
      'Pipeline',
      'Endpoint',
    ]);
    const service = definitions.find(({ kind }) => kind === 'FeatureService')!.spec as FeatureServiceSpec;
    expect(featureNames(service)).toHaveLength(26);
    expect(featureNames(service).slice(0, 4)).toEqual([
      'slot_history__count_7d',
      'slot_history__late_rate_7d',
      'slot_history__delay_mean_7d',
      'slot_before__count_7d',
    ]);
  });

  it('checked again beside itself changes nothing', () => {
    const first = checkDefinitions(folder('examples/flights/definitions'), nothing).definitions;
    const existing = new Map(first.map(({ kind, name, spec }) => [`${kind}/${name}`, spec]));
    const again = checkDefinitions(folder('examples/flights/definitions'), existing);
    expect(again.problems).toEqual([]);
    for (const { kind, name, spec } of again.definitions)
      expect(diffSpecs(existing.get(`${kind}/${name}`), spec)).toEqual([]);
  });

  it('with twelve mistakes has every one reported at its place', () => {
    const { problems } = checkDefinitions(folder('libs/definitions/test/mistakes'), nothing);
    expect(places(problems)).toEqual([
      'streams.yaml:5:11 invalid-value',
      'streams.yaml:12:6 unknown-column',
      'streams.yaml:21:9 type-mismatch',
      'streams.yaml:23:5 unknown-expectation',
      'streams.yaml:25:7 unknown-kind',
      'streams.yaml:28:1 missing-field',
      'views.yaml:7:19 unknown-column',
      'views.yaml:13:24 unknown-feature',
      'views.yaml:14:5 unknown-reference',
      'views.yaml:21:1 unknown-field',
      'views.yaml:29:5 expression-syntax',
      'views.yaml:32:7 duplicate-definition',
    ]);
    expect(problems.map(({ message }) => message).join('\n')).toMatch(
      /did you mean expect_column_values_to_be_between\?[\s\S]*did you mean Stream\?[\s\S]*reads `dealy`/,
    );
  });

  it('that takes a column away from a view applied before is refused', () => {
    const first = checkDefinitions(folder('examples/flights/definitions'), nothing).definitions;
    const existing = new Map(first.map(({ kind, name, spec }) => [`${kind}/${name}`, spec]));
    const text =
      'kind: Stream\nname: departures\neventTime: departed_at\nschema: {departed_at: timestamp, flight_id: string}\n';
    const { problems } = checkDefinitions([{ path: 'x.yaml', text }], existing);
    expect(problems.find(({ path }) => path === 'FeatureView/route-departures (applied before)')?.message).toMatch(
      /origin: not a column/,
    );
  });
});

it.each([
  ['a: [1', 'yaml-syntax'],
  ['a: 1\na: 2', 'yaml-syntax'],
  ['- 1', 'invalid-value'],
  ['kind: Monitor\nname: x', 'not-built'],
  ['kind: Stream\nname: X', 'missing-field'],
  ['kind: Endpoint\nname: x\nmodel: m\nrollout: []', 'not-built'],
])('%j is a %s', (text, code) => {
  expect(checkDefinitions([{ path: 'x.yaml', text }], nothing).problems.map((problem) => problem.code)).toContain(code);
});

it('a difference names what changed, by name', () => {
  const [before] = checkDefinitions(folder('examples/flights/definitions'), nothing).definitions;
  const spec = before!.spec as StreamSpec;
  const after = {
    ...spec,
    latenessMs: 60_000,
    schema: spec.schema.slice(1),
    derive: [{ ...spec.derive[0]!, expression: 'local_minute / 30' }],
  };
  expect(diffSpecs(spec, after)).toEqual([
    'latenessMs: 15m -> 1m',
    '- schema.flight_id: {"name":"flight_id","nullable":false,"type":"string"}',
    'derive.slot.expression: local_minute / 15 -> local_minute / 30',
  ]);
});
