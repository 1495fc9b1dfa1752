import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { checkDefinitions } from './check-definitions.js';
import {
  featureNames,
  type FeatureServiceSpec,
  type Kind,
  type Specs,
  type StreamSpec,
  type TabularModelSpec,
} from './definition-kinds.js';
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
      'Monitor',
      'Policy',
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
  ['kind: Monitor\nname: x\nendpoint: y', 'unknown-reference'],
  ['kind: Monitor\nname: x\nendpoint: y\nperformance: {metric: auc}', 'invalid-value'],
  ['kind: Monitor\nname: x\nendpoint: y\nconcept: {window: 1d}', 'missing-field'],
  ['kind: Monitor\nname: x\nendpoint: y\nconcept: {margin: -0.1}', 'invalid-value'],
  ['kind: Policy\nname: x\naccess: [{role: analyst, may: [look], on: [models/*]}]', 'invalid-value'],
  ['kind: Policy\nname: x\napprovals: {when: endpoint.tier ==, roles: [model-risk]}', 'expression-syntax'],
  ['kind: Policy\nname: x\nretention: {predictions: 90m}', 'invalid-value'],
  ['kind: Policy\nname: x\nretention: {}', 'missing-field'],
  ['kind: Policy\nname: x\nquotas: [{role: a, on: [endpoints/x]}]', 'missing-field'],
  ['kind: Policy\nname: x\nquotas: [{role: a, on: [models/x], requestsPerSecond: 1}]', 'invalid-value'],
  ['kind: Policy\nname: x\nquotas: [{role: a, on: [endpoints/x], requestsPerSecond: 0}]', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\nlog: {sample: 101%}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\nlog: {sample: 1.5}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\nlog: {retention: 12h}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\ncache: {ttl: 25h}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\ncache: {ttl: 0s}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\ncache: {ttl: 30s, maxEntries: 0}', 'invalid-value'],
  ['kind: Endpoint\nname: x\nmodel: m\ncache: {maxEntries: 10}', 'missing-field'],
  ['kind: Stream\nname: X', 'missing-field'],
  [
    'kind: Pipeline\nname: x\nmodel: m\ndata: {window: 1d}\ntrain: {algorithm: lightgbm}\ntriggers: {newData: 100}',
    'not-built',
  ],
  ['kind: Endpoint\nname: x\nmodel: m\nfallback: {prediction: 0, features: lastKnown}', 'not-built'],
  ['kind: Endpoint\nname: x\nmodel: m\nrollout: [{canary: {percent: 101, predictions: 1}}]', 'invalid-value'],
  [
    'kind: Endpoint\nname: x\nmodel: m\nrollout: [{canary: {percent: 5, predictions: 1}}, {shadow: {predictions: 1}}]',
    'invalid-value',
  ],
])('%j is a %s', (text, code) => {
  expect(checkDefinitions([{ path: 'x.yaml', text }], nothing).problems.map((problem) => problem.code)).toContain(code);
});

it('the response cache of an endpoint is as it says, with ten thousand answers where it does not', () => {
  const specOf = (more: string) => {
    const text = `kind: Endpoint\nname: late-too\nmodel: late-arrival\n${more}\n`;
    const checked = checkDefinitions([...folder('examples/flights/definitions'), { path: 'x.yaml', text }], nothing);
    expect(checked.problems).toEqual([]);
    return checked.definitions.find(({ name }) => name === 'late-too')!.spec as Specs['Endpoint'];
  };
  expect(specOf('cache: {ttl: 30s}').cache).toEqual({ ttlMs: 30_000, maxEntries: 10_000 });
  expect(specOf('cache: {ttl: 24h, maxEntries: 5}').cache).toEqual({ ttlMs: 86_400_000, maxEntries: 5 });
  expect(specOf('')).not.toHaveProperty('cache');
});

describe('the log of an endpoint', () => {
  const check = (log: string, more = '') => {
    const text = `kind: Endpoint\nname: late-too\nmodel: late-arrival\n${log}\n---\nkind: Policy\nname: kept\n${more}\n`;
    return checkDefinitions([...folder('examples/flights/definitions'), { path: 'x.yaml', text }], nothing);
  };
  const logOf = (log: string) =>
    (check(log).definitions.find(({ name }) => name === 'late-too')!.spec as Specs['Endpoint']).log;

  it('may keep requests and features of a sample, and predictions for some days', () => {
    expect(logOf('')).toEqual({ features: true });
    expect(logOf('log: {sample: 100%}')).toEqual({ features: true });
    expect(logOf('log: {sample: 2.5%, retention: 30d}')).toEqual({
      features: true,
      sample: 0.025,
      retentionMs: 30 * 86_400_000,
    });
    expect(logOf('log: {sample: 0}')).toEqual({ features: true, sample: 0 });
    const policy = check('', 'retention: {predictions: 180d}').definitions.find(({ name }) => name === 'kept')!.spec;
    expect((policy as Specs['Policy']).retention).toEqual({ predictionsMs: 180 * 86_400_000 });
  });

  it('may not be shorter than its labels take', () => {
    expect(check('log: {retention: 1d}').problems).toMatchObject([
      { code: 'invalid-value', message: expect.stringContaining('gone before their labels come') },
    ]);
  });
});

it('a policy may ask for approvals, by its endpoint and the version that is offered', () => {
  const text = `kind: Policy
name: high-risk
approvals: {when: 'endpoint.tier == "high" && version.metrics.validate.auc < 0.9', roles: [model-risk], quorum: 2, notRequester: true}
`;
  const { problems, definitions } = checkDefinitions([{ path: 'x.yaml', text }], nothing);
  expect(problems).toEqual([]);
  expect(definitions[0]!.spec).toMatchObject({ approvals: { roles: ['model-risk'], quorum: 2, notRequester: true } });
});

it('a Monitor of concept drift has its window, margin and rows, and what a breach does; of a regression it is refused', () => {
  const applied = checkDefinitions(folder('examples/flights/definitions'), nothing).definitions;
  const text = `
kind: Monitor
name: m
endpoint: late-arrival
concept: {margin: 0.02}
onBreach: {concept: [alert, retrain]}`;
  const check = (task: TabularModelSpec['task']) =>
    checkDefinitions(
      [{ path: 'x.yaml', text }],
      new Map(
        applied.map(
          ({ kind, name, spec }) =>
            [`${kind}/${name}`, kind === 'Model' ? { ...(spec as TabularModelSpec), task } : spec] as const,
        ),
      ),
    );
  const { definitions, problems } = check('binary');
  expect(problems).toEqual([]);
  expect(definitions[0]!.spec).toMatchObject({
    concept: { windowMs: 3 * 86_400_000, margin: 0.02, minRows: 500 },
    onBreach: { performance: ['alert'], concept: ['alert', 'retrain'] },
  });
  const mine = check('regression').problems.filter(({ path }) => path === 'x.yaml');
  expect(mine.map(({ code }) => code)).toEqual(['type-mismatch']);
});

describe('a stream', () => {
  const stream = (expectation: string, schema = 'n: int32, word: string, ok: bool') =>
    checkDefinitions(
      [
        {
          path: 'x.yaml',
          text: `kind: Stream\nname: s\neventTime: at\nschema: {at: timestamp, ${schema}}\nexpectations:\n  - ${expectation}\n`,
        },
      ],
      nothing,
    ).problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);
  const between = (args: string) => stream(`expect_column_values_to_be_between: {${args}}`);

  it.each([
    ['expect_column_values_to_be_between: {column: n, min_value: 1}'],
    ["expect_column_values_to_be_between: {column: at, min_value: '2001-01-01T00:00:00Z', strict_min: true}"],
    ['expect_column_values_to_be_in_set: {column: word, value_set: [a, b]}'],
    ['expect_column_pair_values_a_to_be_greater_than_b: {column_A: at, column_B: n}'],
  ])('may expect %s', (expectation) => expect(stream(expectation)).toEqual([]));

  it.each([
    ['column: n, min_value: low', /^6:64 invalid-value min_value: "low"; it is a number, as its column$/],
    ['column: n', /^6:5 missing-field min_value or max_value: .* needs one$/],
    ['column: word, min_value: 1', /type-mismatch word is string, .* needs a number$/],
    ['column: [n], min_value: 1', /invalid-value column: \["n"\]; it is the name of a column$/],
    ['column: n, min_value: 1, strict_min: 1', /invalid-value strict_min: 1; it is true or false$/],
    ['column: at, min_value: 2001-01-01', /invalid-value min_value: "2001-01-01"; it is a timestamp/],
    ['column: n, minimum: 1, max_value: 2', /unknown-field minimum: not an argument of/],
  ])('cannot expect to be between {%s}', (args, problem) =>
    expect(between(args)).toEqual([expect.stringMatching(problem)]),
  );

  it.each([
    ['expect_column_values_to_be_in_set: {column: n, value_set: [1, two]}', /each in it is a number/],
    ['expect_column_values_to_be_in_set: {column: n, value_set: 1}', /a list of 1 to 1000 values/],
    ['expect_column_values_to_match_regex: {column: word, regex: "["}', /it is a regular expression/],
    ['expect_column_values_to_match_regex: {column: n, regex: a}', /n is int32, .* needs a string/],
    ['expect_column_value_lengths_to_be_between: {column: word, min_value: -1}', /a whole number from 0/],
    ['expect_column_pair_values_a_to_be_greater_than_b: {column_A: n, column_B: word}', /compares int32 with string/],
  ])('cannot expect %s', (expectation, problem) =>
    expect(stream(expectation)).toEqual([expect.stringMatching(problem)]),
  );

  it('has values that its columns can take', () => {
    const problems = stream('expect_column_values_to_not_be_null: {column: n}', 'n: {type: int32, enum: [1, one]}');
    expect(problems).toEqual([expect.stringMatching(/type-mismatch n is int32: it can never be "one"/)]);
  });

  it('may have columns whose names mean something elsewhere', () => {
    expect(
      stream('expect_column_values_to_not_be_null: {column: type}', 'type: string, int: int32, constructor: bool'),
    ).toEqual([]);
  });
});

describe('a definition that is wrong in more than one way', () => {
  it('has every mistake reported at once, its own and those between it and others', () => {
    const text = [
      'kind: Model',
      'name: late',
      'task: binery',
      'features: nowhere',
      'label: {stream: trips, value: delay, join: id, horizon: 1x}',
      'colour: red',
    ].join('\n');
    expect(places(checkDefinitions([{ path: 'x.yaml', text }], nothing).problems)).toEqual([
      'x.yaml:3:7 invalid-value',
      'x.yaml:4:11 unknown-reference',
      'x.yaml:5:17 unknown-reference',
      'x.yaml:5:57 invalid-value',
      'x.yaml:6:1 unknown-field',
    ]);
  });

  it('has each of its missing fields named', () => {
    const { problems } = checkDefinitions([{ path: 'x.yaml', text: 'kind: Model\nname: m\n' }], nothing);
    const missing = problems.filter(({ code }) => code === 'missing-field').map(({ message }) => message.split(':')[0]);
    expect(missing).toEqual(expect.arrayContaining(['task', 'features', 'label']));
  });
});

describe('a file that was made to hurt', () => {
  const aliases = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    aliases.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  const unknown = Array.from({ length: 20_000 }, (_, i) => `field_${i}: 1`).join('\n');

  it.each([
    ['an alias without an anchor', 'kind: Stream\nname: *nothing\n', 'yaml-syntax'],
    ['aliases that multiply', `kind: Stream\nname: x\n${aliases.join('\n')}\n`, 'yaml-syntax'],
    ['lists in lists in lists', '['.repeat(50_000), 'too-large'],
    ['twenty thousand unknown fields', `kind: Stream\nname: x\n${unknown}\n`, 'too-large'],
    ['a very long line', `kind: ${'x'.repeat(900_000)}`, 'unknown-kind'],
  ])('%s is a problem, in time that does not grow with it', (_, text, code) => {
    const { problems } = checkDefinitions([{ path: 'x.yaml', text }], nothing);
    expect(problems.map((problem) => problem.code)).toContain(code);
    expect(problems.length).toBeLessThan(150);
  });
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

describe('a model of tensors', () => {
  const check = (...documents: string[]) =>
    checkDefinitions(
      [{ path: 'x.yaml', text: ['kind: Model\nname: m\ntask: tensors', ...documents].join('\n---\n') }],
      nothing,
    );

  it('has owners, and needs nothing else; an endpoint of it has steps, and guardrails of errors and latency', () => {
    const { problems, definitions } = check(
      'kind: Endpoint\nname: e\nmodel: m\nrollout: [{shadow: {predictions: 1}}, {canary: {percent: 5, predictions: 1}}]\nguardrails: {errors: {margin: 0.1}, latencyP99: {ratio: 2}}',
    );
    expect(problems).toEqual([]);
    expect(definitions[0]!.spec).toEqual({ name: 'm', task: 'tensors', owners: [] });
  });

  it.each([
    ['kind: Pipeline\nname: p\nmodel: m\ndata: {window: 30d}\ntrain: {algorithm: lightgbm}', 'no pipeline trains'],
    ['kind: Endpoint\nname: e\nmodel: m\nstickyKey: id', 'requests have no columns'],
    ['kind: Endpoint\nname: e\nmodel: m\nfallback: {prediction: 0}', 'one number cannot stand for its outputs'],
    ['kind: Endpoint\nname: e\nmodel: m\nguardrails: {logloss: {margin: 0.1}}', 'logloss is of binary models'],
    [
      'kind: Endpoint\nname: e\nmodel: m\n---\nkind: Monitor\nname: w\nendpoint: e\nperformance: {metric: auc, limit: 0.5, window: 1d}',
      'auc is of binary models',
    ],
    [
      'kind: Endpoint\nname: e\nmodel: m\n---\nkind: Monitor\nname: w\nendpoint: e\ndrift: {statistic: psi, window: 1d}',
      'drift: of features',
    ],
  ])('%j says why not', (document, why) => {
    expect(check(document).problems.map(({ message }) => message)).toEqual([expect.stringContaining(why)]);
  });

  it('with features, a label or segments says why not', () => {
    const text =
      'kind: Model\nname: m\ntask: tensors\nfeatures: f\nlabel: {stream: s, value: v, join: j, horizon: 1d}\nsegments: [a]';
    const { problems } = checkDefinitions([{ path: 'x.yaml', text }], nothing);
    expect(problems.map(({ line, code, message }) => [line, code, message.split(':')[0]])).toEqual([
      [4, 'unknown-field', 'features'],
      [5, 'unknown-field', 'label'],
      [6, 'unknown-field', 'segments'],
    ]);
  });

  it('of another task has to have features and a label still', () => {
    const { problems } = checkDefinitions([{ path: 'x.yaml', text: 'kind: Model\nname: m\ntask: binary' }], nothing);
    expect(problems.map(({ code, message }) => [code, message.split(':')[0]])).toEqual([
      ['missing-field', 'features'],
      ['missing-field', 'label'],
    ]);
  });
});
