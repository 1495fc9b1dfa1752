import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { until } from '#libs/testing/until.js';
import { type BatchBench, rowOf, scoreOf, startBatchBench, writeRows } from './batch-bench.js';

const seed = Number(process.env['KILL_SEED'] ?? 20260612);
const rows = 12_000;
/** As many calls as it works on at a time; of the lowest priority half of them. */
const calls = { MIN_CALLS_IN_FLIGHT: '8', MAX_CALLS_IN_FLIGHT: '8' };
let bench: BatchBench;
let input: string;
beforeAll(async () => {
  bench = await startBatchBench(calls);
  input = join(bench.folder, 'rows.jsonl');
  writeRows(input, rows);
}, 120_000);
afterAll(() => bench?.stop(), 60_000);

const path = (name: string): string => join(bench.folder, name);
const text = (name: string): string => readFileSync(path(name), 'utf8');
const json = (output: string): Record<string, unknown> => JSON.parse(output) as Record<string, unknown>;

interface Score {
  readonly row: number;
  readonly id: string;
  readonly note: string;
  readonly probability: number;
  readonly prediction_id: string;
  readonly model_version: string;
  readonly fallback: boolean;
}

function linesOf(name: string): Score[] {
  return text(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Score);
}

/** Once each, in order, with the right answer and an id of its own. */
function checkScores(scores: readonly Score[], numbers: readonly number[]): void {
  expect(scores.map(({ row }) => row)).toEqual(numbers);
  expect(new Set(scores.map((score) => score.prediction_id)).size).toBe(numbers.length);
  for (const score of scores) {
    const asked = rowOf(score.row);
    expect([score.id, score.note, score.model_version, score.fallback]).toEqual([asked.id, asked.note, '1', false]);
    expect(score.probability).toBeCloseTo(scoreOf(asked), 5);
  }
}

const all = Array.from({ length: rows }, (_, i) => i + 1);

function randomOf(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Gives the same command until it is done; kills it once it has written down some more, after a moment. @returns how often it was killed, and with how many chunks done */
async function runKilled(
  runId: string,
  words: readonly string[],
  random: (below: number) => number,
): Promise<number[]> {
  const killedAt: number[] = [];
  for (;;) {
    const before = bench.progress(runId)?.chunk ?? 0;
    const { child, ended } = bench.start(...words);
    const enough = before + 1 + random(40);
    while (child.exitCode === null && (bench.progress(runId)?.chunk ?? 0) < enough) await sleep(2);
    await sleep(random(20));
    child.kill('SIGKILL');
    const { code, stderr } = await ended;
    if (code === 0) return killedAt;
    expect({ code, stderr: stderr.replaceAll(/^(run|asked again: ).*\n/gm, '') }).toEqual({ code: null, stderr: '' });
    killedAt.push(bench.progress(runId)?.chunk ?? 0);
  }
}

it('kill -9 at any moment, and the same command again: the file is that of a run that was never killed, each row once, in order.', async () => {
  const plain = ['batch', 'run', bench.endpoint, '--input', input, '--rows-per-request', '50', '--json'];
  const { code, stdout } = await bench.run(...plain, '--output', path('whole.jsonl'));
  expect({ code, ...json(stdout) }).toMatchObject({ code: 0, answered: rows, rejected: 0, versions: { '1': rows } });
  checkScores(linesOf('whole.jsonl'), all);

  const words = [...plain, '--output', path('killed.jsonl'), '--run-id', 'killed'];
  const killedAt = await runKilled('killed', words, randomOf(seed));
  expect(killedAt.length).toBeGreaterThan(3);
  const said = JSON.stringify({ seed, killedAt });
  checkScores(linesOf('killed.jsonl'), all);
  const withoutIds = (name: string) => linesOf(name).map((score) => ({ ...score, prediction_id: '' }));
  expect({ said, scores: withoutIds('killed.jsonl') }).toEqual({ said, scores: withoutIds('whole.jsonl') });
  expect(existsSync(path('killed.jsonl.part'))).toBe(false);
  expect(text('killed.jsonl.rejected.jsonl')).toBe('');

  // What has been done is not done again.
  const before = text('killed.jsonl');
  expect(json((await bench.run(...words)).stdout)).toMatchObject({ answered: rows });
  expect(text('killed.jsonl')).toBe(before);
}, 180_000);

it('every answer in an output is in the prediction log, with run and chunk as the id of its request; what was asked again after a kill is there twice', async () => {
  const query = `SELECT prediction_id, request_id FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND request_id LIKE 'killed/%'`;
  const read = async () => {
    const result = await bench.clickhouse.query({
      query,
      query_params: { endpoint: bench.endpoint },
      format: 'JSONEachRow',
    });
    const logged = await result.json<{ prediction_id: string; request_id: string }>();
    return new Map(logged.map((row) => [row.prediction_id, row.request_id]));
  };
  const answers = linesOf('killed.jsonl');
  let logged = await read();
  await until(async () => {
    logged = await read();
    return answers.every((answer) => logged.has(answer.prediction_id));
  }, 'every answer in the log');
  expect(answers.map((answer) => logged.get(answer.prediction_id))).toEqual(
    answers.map(({ row }) => `killed/${Math.floor((row - 1) / 50)}`),
  );
  // Whatever was under way at a kill.
  expect(logged.size).toBeGreaterThan(rows);
  expect(logged.size % 50).toBe(0);
}, 60_000);

it('kill -9 at any moment of a run of a query into a table: each row is in the table once.', async () => {
  await bench.clickhouse.command({
    query: `CREATE DATABASE IF NOT EXISTS \`${bench.endpoint}_x\``.replaceAll('-', '_'),
  });
  const table = `${bench.endpoint}_x.scores`.replaceAll('-', '_');
  // In no order: what the query gives is written down once.
  const query = `SELECT toUInt64(number + 1) AS n, concat('r', toString(number + 1)) AS id,
    [toFloat32(((number + 1) % 997) / 100), toFloat32(toInt32((number + 1) % 13) - 6), toFloat32((toInt32((number + 1) % 31) - 15) / 10)] AS features
    FROM numbers_mt(${rows}) ORDER BY rand()`;
  const words = ['batch', 'run', bench.endpoint, '--query', query, '--table', table, '--rows-per-request', '50'];
  const killedAt = await runKilled(
    'tabled',
    [...words, '--run-id', 'tabled', '--block-bytes', '65536'],
    randomOf(seed + 1),
  );
  expect(killedAt.length).toBeGreaterThan(3);
  const result = await bench.clickhouse.query({
    query: `SELECT run_id, row, n, id, probability, prediction_id, model_version FROM ${table} ORDER BY row`,
    format: 'JSONEachRow',
  });
  const scores = await result.json<Score & { n: number | string; run_id: string }>();
  const said = JSON.stringify({ seed, killedAt });
  expect({ said, rows: scores.map(({ row }) => Number(row)) }).toEqual({ said, rows: all });
  expect(scores.map(({ n }) => Number(n)).sort((a, b) => a - b)).toEqual(all);
  expect(new Set(scores.map((score) => score.prediction_id)).size).toBe(rows);
  for (const score of scores) {
    expect([score.run_id, score.id]).toEqual(['tabled', `r${score.n}`]);
    expect(score.probability).toBeCloseTo(scoreOf(rowOf(Number(score.n))), 5);
  }
  const parts = await bench.clickhouse.query({
    query: `SELECT non_replicated_deduplication FROM (SELECT create_table_query LIKE '%non_replicated_deduplication_window = 10000%' AS non_replicated_deduplication FROM system.tables WHERE concat(database, '.', name) = '${table}')`,
    format: 'JSONEachRow',
  });
  expect(await parts.json()).toEqual([{ non_replicated_deduplication: 1 }]);

  // The same run is known by its table too, wherever its notes are.
  const again = await bench.run(...words, '--run-id', 'tabled', '--fresh');
  expect(again.stderr).toMatch(/has 12000 rows of run tabled already; name another --run-id/);
}, 180_000);

it('bad rows are told with their numbers and reasons, and all others are answered', async () => {
  const count = 1_000;
  const bad = new Map([
    [17, '{"id": "r17", "features": [1, 2'],
    [250, JSON.stringify({ ...rowOf(250), features: [1, 2] })],
    [251, JSON.stringify({ ...rowOf(251), id: 'x'.repeat(5_000) })],
    [900, JSON.stringify({ ...rowOf(900), features: 'none' })],
    [901, JSON.stringify({ ...rowOf(901), id: 901 })],
    [999, JSON.stringify({ ...rowOf(999), id: 'y'.repeat(4_097) })],
  ]);
  writeRows(path('bad.jsonl'), count, (n) => bad.get(n) ?? JSON.stringify(rowOf(n)));
  const words = [
    'batch',
    'run',
    bench.endpoint,
    '--input',
    path('bad.jsonl'),
    '--output',
    path('good.jsonl'),
    '--json',
  ];
  const few = await bench.run(...words, '--max-errors', '5');
  expect({ code: few.code, ...json(few.stdout) }).toMatchObject({
    code: 1,
    error: { message: expect.stringMatching(/^row 999 .*4097 characters.*more than --max-errors 5/) },
  });
  expect(existsSync(path('good.jsonl'))).toBe(false);

  const { code, stdout } = await bench.run(...words);
  expect({ code, ...json(stdout) }).toMatchObject({ code: 2, answered: count - bad.size, rejected: bad.size });
  checkScores(
    linesOf('good.jsonl'),
    all.slice(0, count).filter((n) => !bad.has(n)),
  );
  const rejected = text('good.jsonl.rejected.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  const line = (n: number, reason: string) => ({ row: n, line: n, reason: expect.stringMatching(reason) });
  expect(rejected).toEqual([
    line(17, '^no JSON: '),
    line(250, '^column "features": 2 numbers, and the first row has 3'),
    line(251, "input 'id': 5000 characters, at most 4096 are taken"),
    line(900, '^column "features": "none" is no value of it; it takes an array of numbers'),
    line(901, '^column "id": 901 is no value of it; it takes text'),
    line(999, "input 'id': 4097 characters, at most 4096 are taken"),
  ]);
}, 60_000);

it('a gateway that is killed and one that has too much to do cost nothing but time', async () => {
  const words = ['batch', 'run', bench.endpoint, '--input', input, '--output', path('patient.jsonl'), '--json'];
  const busy = ['--run-id', 'patient', '--rows-per-request', '50', '--concurrency', '32'];
  const { ended } = bench.start(...words, ...busy);
  for (const chunk of [20, 100]) {
    await until(() => (bench.progress('patient')?.chunk ?? 0) > chunk, `${chunk} chunks done`);
    await bench.stack.gateway.kill('SIGKILL');
    await bench.stack.gateway.start();
  }
  const { code, stdout } = await ended;
  expect({ code, ...json(stdout) }).toMatchObject({ code: 0, answered: rows, rejected: 0, fallbacks: 0 });
  // With eight calls at a time, of which half are for the lowest priority, thirty-two are refused again and again.
  expect(json(stdout)['retries']).toBeGreaterThan(30);
  checkScores(linesOf('patient.jsonl'), all);
}, 120_000);

it('CSV goes in and out, by columns, quotes and lines and all', async () => {
  const count = 700;
  const cell = (value: string): string => `"${value.replaceAll('"', '""')}"`;
  const lines = all
    .slice(0, count)
    .map(rowOf)
    .map(({ id, note, features }) => [id, cell(note), cell(JSON.stringify(features))].join(','));
  writeFileSync(path('rows.csv'), `id,note,features\r\n${lines.join('\r\n')}`);
  const words = ['batch', 'run', bench.endpoint, '--input', path('rows.csv'), '--output', path('scores.csv')];
  expect(await bench.run(...words, '--version', '1', '--keep', 'note,id')).toMatchObject({ code: 0 });
  const scores = parse(text('scores.csv'), { columns: true, cast: (value, { column }) => typed(column, value) });
  expect(text('scores.csv').split('\n', 1)).toEqual(['row,note,id,probability,prediction_id,model_version,fallback']);
  checkScores(scores as Score[], all.slice(0, count));
}, 60_000);

it('rows of columns are asked as online ones are: the feature store makes their vectors, nothing in a column is a missing value', async () => {
  const count = 300;
  const rowsOfColumns = all.slice(0, count).map((n) => {
    const { id, features } = rowOf(n);
    return `${[id, ...features].join(',')},2001-06-10T08:15:0${n % 10}Z`;
  });
  writeFileSync(path('columns.csv'), `id,f0,f1,f2,at\n${rowsOfColumns.join('\n')}\nr301,,1,1,\n`);
  const words = ['batch', 'run', bench.endpoint, '--input', path('columns.csv'), '--output', path('columns.jsonl')];
  const { code, stderr } = await bench.run(...words, '--keep', 'id');
  expect({ code, stderr: stderr.split('\n')[0] }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/begins; sends id, f0, f1, f2, at to batch-\w+; keeps id$/),
  });
  const scores = linesOf('columns.jsonl');
  expect(scores.map(({ row }) => row)).toEqual(all.slice(0, count));
  for (const { row, id, probability } of scores) {
    expect(id).toBe(`r${row}`);
    expect(probability).toBeCloseTo(scoreOf(rowOf(row)), 5);
  }
  expect(json(text('columns.jsonl.rejected.jsonl'))).toEqual({
    row: 301,
    line: 302,
    reason: expect.stringMatching(
      /^column "at": empty; it takes a whole number of at most 2\^53, or an instant in RFC 3339/,
    ),
  });
}, 60_000);

const typed = (column: unknown, value: string): unknown =>
  column === 'row' || column === 'probability' ? Number(value) : column === 'fallback' ? value === 'true' : value;

it('a run goes on with nothing but what it was begun with, by one process, and writes over nothing', async () => {
  const given = path('given.jsonl');
  writeRows(given, 2_000);
  const run = (...more: string[]) =>
    bench.start(
      'batch',
      'run',
      bench.endpoint,
      '--input',
      given,
      '--output',
      path('held.jsonl'),
      '--run-id',
      'held',
      ...more,
    );
  const small = ['--rows-per-request', '10'];
  const first = run(...small, '--concurrency', '1');
  await until(() => (bench.progress('held')?.chunk ?? 0) > 5, 'some chunks done');
  expect((await run(...small).ended).stderr).toMatch(/run held is being worked on by process \d+ on /);
  first.child.kill('SIGKILL');
  await first.ended;

  expect((await run().ended).stderr).toMatch(/run held cannot go on, .*rows per request: 10 before, 250 now/);
  const whole = readFileSync(given, 'utf8');
  writeFileSync(given, whole.replace('"r1999"', '"r1998"'));
  expect((await run(...small).ended).stderr).toMatch(/the input's SHA-256: "[0-9a-f]{64}" before/);
  writeFileSync(given, whole);
  expect(await bench.run('batch', 'resume', 'held', '--json')).toMatchObject({ code: 0 });
  checkScores(linesOf('held.jsonl'), all.slice(0, 2_000));

  const other = await bench.run('batch', 'run', bench.endpoint, '--input', given, '--output', path('held.jsonl'));
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/held.jsonl is there already/) });
  const listed = JSON.parse((await bench.run('batch', 'list', '--json')).stdout) as {
    runId: string;
    answered: number;
  }[];
  expect(listed.find(({ runId }) => runId === 'held')).toMatchObject({ answered: 2_000, endpoint: bench.endpoint });
}, 60_000);

it('a table that forgets blocks is refused, with what would be right', async () => {
  const database = `${bench.endpoint}_x`.replaceAll('-', '_');
  await bench.clickhouse.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  const columns =
    'run_id String, row UInt64, probability Float32, prediction_id String, model_version String, fallback Bool';
  await bench.clickhouse.command({
    query: `CREATE TABLE ${database}.forgets (${columns}) ENGINE = MergeTree ORDER BY row`,
  });
  const run = () => bench.run('batch', 'run', bench.endpoint, '--input', input, '--table', `${database}.forgets`);
  expect((await run()).stderr).toMatch(
    /forgets \(MergeTree\) does not know a block .*MODIFY SETTING non_replicated_deduplication_window = 10000/,
  );
  await bench.clickhouse.command({
    query: `ALTER TABLE ${database}.forgets MODIFY SETTING non_replicated_deduplication_window = 100`,
  });
  expect((await run()).stderr).toMatch(/forgets has no column id, note; add it, choose others with --keep/);
}, 60_000);
