import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import type { SourceEvent } from '../domain/source-rows.js';
import { cellValue } from './csv.reader.js';
import { SourceFiles } from './source-files.js';

const stream: StreamSpec = {
  name: 'departures',
  key: 'origin',
  eventTime: 'departed_at',
  latenessMs: 0,
  schema: [
    { name: 'flight_id', type: 'string', nullable: false },
    { name: 'departed_at', type: 'timestamp', nullable: false },
    { name: 'origin', type: 'string', nullable: false },
    { name: 'distance', type: 'int32', nullable: true },
  ],
  derive: [],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const minute = 60_000;
const beginMs = Date.parse('2001-06-10T08:00:00Z');
const at = (i: number): string => new Date(beginMs + i * minute).toISOString();
const row = (i: number) => ({ flight_id: String(i), departed_at: at(i), origin: `A${i % 3}`, distance: 100 + i });

let folder: string;
let outside: string;
beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'sources-'));
  [folder, outside] = [join(root, 'sources'), join(root, 'outside.jsonl')];
  await mkdir(folder);
  await writeFile(outside, `${JSON.stringify(row(0))}\n`);
});
afterAll(() => rm(join(folder, '..'), { recursive: true }));

const sourceOf = (path: string, connector: SourceSpec['connector'] = 'jsonl'): SourceSpec => ({
  name: 'history',
  stream: 'departures',
  connector,
  path,
});

async function all(events: AsyncIterable<SourceEvent>): Promise<SourceEvent[]> {
  const found: SourceEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join('');
const everything = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

describe('JSON Lines', () => {
  it('gives every line as it is, with its number, time and key, whatever ends the lines', async () => {
    const text = `${JSON.stringify(row(0))}\r\n\r\n${JSON.stringify({ ...row(1), departed_at: beginMs + minute })}`;
    await writeFile(join(folder, 'ends.jsonl'), text);
    const events = await all(new SourceFiles(folder).read(sourceOf('ends.jsonl'), stream, ...everything));
    expect(events.map(({ row, eventTimeMs, key }) => [row, eventTimeMs, key])).toEqual([
      [1, beginMs, 'A0'],
      [3, beginMs + minute, 'A1'],
    ]);
    expect(events[0]!.data.toString()).toBe(JSON.stringify(row(0)));
  });

  it('gives slices, one after the other and out of turn, what one reading gives', async () => {
    await writeFile(join(folder, 'slices.jsonl'), lines(5_000));
    const source = sourceOf('slices.jsonl');
    const whole = await all(new SourceFiles(folder).read(source, stream, ...everything));
    const files = new SourceFiles(folder);
    const slice = (from: number, to: number) =>
      all(files.read(source, stream, beginMs + from * minute, beginMs + to * minute));
    const sliced: SourceEvent[] = [];
    for (let from = 0; from < 5_000; from += 777) sliced.push(...(await slice(from, from + 777)));
    expect(sliced).toEqual(whole);
    expect(await slice(100, 103)).toEqual(whole.slice(100, 103));
    expect(await slice(4_998, 9_000)).toEqual(whole.slice(4_998));
  });

  it('begins again in a file that was written anew', async () => {
    const path = join(folder, 'changed.jsonl');
    await writeFile(path, lines(10));
    const files = new SourceFiles(folder);
    const [fromMs, toMs] = [beginMs + 5 * minute, beginMs + 8 * minute];
    await all(files.read(sourceOf('changed.jsonl'), stream, beginMs, fromMs));
    await writeFile(path, `\n\n${lines(10)}`);
    await utimes(path, new Date(), new Date(Date.now() + 5_000));
    const events = await all(files.read(sourceOf('changed.jsonl'), stream, fromMs, toMs));
    expect(events.map(({ row }) => row)).toEqual([8, 9, 10]);
  });

  it.each([
    ['is not sorted', [row(0), row(2), row(1)], /row 3: departed_at 2001-06-10T08:01:00.000Z is before/],
    ['is not sorted before the slice', [row(-5), row(-9), row(1)], /row 2: departed_at/],
    ['has no event time', [{ origin: 'A0' }], /row 1: departed_at is missing/],
    ['has a time of no zone', [{ departed_at: '2001-06-10 08:15' }], /neither RFC 3339/],
    ['is no object', [[1]], /row 1: a line is one JSON object/],
  ])('that %s fails with the row named', async (_, rows, message) => {
    await writeFile(join(folder, 'wrong.jsonl'), rows.map((line) => JSON.stringify(line)).join('\n'));
    const events = new SourceFiles(folder).read(sourceOf('wrong.jsonl'), stream, beginMs, Number.MAX_SAFE_INTEGER);
    await expect(all(events)).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(message),
    });
  });
});

describe('CSV and Parquet', () => {
  it('of the same rows are the same events', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => row(i));
    const csv = rows.map(
      (r) => `${r.flight_id},${r.departed_at},${r.origin},${r.distance === 107 ? '' : r.distance}\n`,
    );
    await writeFile(join(folder, 'same.csv'), `flight_id,departed_at,origin,distance\n${csv.join('')}`);
    const parquet = parquetWriteBuffer({
      columnData: [
        { name: 'flight_id', data: rows.map((r) => r.flight_id), type: 'STRING' },
        { name: 'departed_at', data: rows.map((r) => new Date(r.departed_at)), type: 'TIMESTAMP' },
        { name: 'origin', data: rows.map((r) => r.origin), type: 'STRING' },
        { name: 'distance', data: rows.map((r) => (r.distance === 107 ? null : r.distance)), type: 'INT32' },
      ],
    });
    await writeFile(join(folder, 'same.parquet'), Buffer.from(parquet));
    const files = new SourceFiles(folder);
    const [fromMs, toMs] = [beginMs + 5 * minute, beginMs + 10 * minute];
    const ofCsv = await all(files.read(sourceOf('same.csv', 'csv'), stream, fromMs, toMs));
    expect(ofCsv.map(({ row }) => row)).toEqual([6, 7, 8, 9, 10]);
    expect(JSON.parse(ofCsv[2]!.data.toString())).toEqual({ ...row(7), distance: null });
    for (let again = 0; again < 2; again++)
      expect(await all(files.read(sourceOf('same.parquet', 'parquet'), stream, fromMs, toMs))).toEqual(ofCsv);
    const rest = [beginMs + 10 * minute, Number.MAX_SAFE_INTEGER] as const;
    expect(await all(files.read(sourceOf('same.parquet', 'parquet'), stream, ...rest))).toEqual(
      await all(files.read(sourceOf('same.csv', 'csv'), stream, ...rest)),
    );
  });

  it.each([
    ['int32', '12', 12],
    ['float64', '-1.5e3', -1500],
    ['float64', ' ', ' '],
    ['int64', '0x10', '0x10'],
    ['bool', 'true', true],
    ['bool', 'yes', 'yes'],
    ['timestamp', '992160900000', 992_160_900_000],
    ['string', '12', '12'],
    ['string', '', null],
    [undefined, '12', '12'],
  ] as const)('a CSV cell of %s "%s" is %p', (type, text, value) => {
    expect(cellValue(type, text)).toBe(value);
  });

  it.each([
    ['csv', 'a,b\n1\n'],
    ['parquet', 'PAR0'],
  ] as const)('%s that cannot be read fails with its source named', async (connector, text) => {
    await writeFile(join(folder, 'broken'), text);
    const events = new SourceFiles(folder).read(sourceOf('broken', connector), stream, ...everything);
    await expect(all(events)).rejects.toMatchObject({ code: 'failed-precondition', message: /source history, row 1/ });
  });
});

describe('the folder of sources', () => {
  it.each([
    ['../outside.jsonl', 'permission-denied'],
    ['a/../../outside.jsonl', 'permission-denied'],
    ['/etc/hostname', 'permission-denied'],
    ['link.jsonl', 'permission-denied'],
    ['nothing.jsonl', 'not-found'],
    ['.', 'permission-denied'],
    ['folder', 'not-found'],
  ])('%s: %s', async (path, code) => {
    await symlink(outside, join(folder, 'link.jsonl')).catch(() => undefined); // there from the row before
    await mkdir(join(folder, 'folder'), { recursive: true });
    await expect(all(new SourceFiles(folder).read(sourceOf(path), stream, ...everything))).rejects.toMatchObject({
      code,
    });
  });
});
