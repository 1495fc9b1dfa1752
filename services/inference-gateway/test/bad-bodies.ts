import { pick, type Random } from './random.js';

/** A body of POST .../infer that is wrong, with its headers. */
export interface BadBody {
  readonly what: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const column = (name: string, datatype: string, data: unknown, more: object = {}) => ({
  name,
  datatype,
  shape: [1],
  data,
  ...more,
});

/** The good request as JSON. */
export function goodJson() {
  return {
    inputs: [
      column('flight_id', 'BYTES', ['x']),
      column('minute', 'INT32', [1]),
      column('seats', 'INT64', [1]),
      column('distance', 'FP64', [1.5]),
      column('hub', 'BOOL', [true]),
    ] as Record<string, unknown>[],
  } as Record<string, unknown> & { inputs: Record<string, unknown>[] };
}

const wrongValues: readonly unknown[] = [null, 7, -1, 0.5, 'x', [], {}, [[]], [null], [{}], true, 1e300];

export function badBody(random: Random): BadBody {
  const json = goodJson();
  const text = () => Buffer.from(JSON.stringify(json));
  const kinds: (() => BadBody)[] = [
    () => ({ what: 'JSON cut off', body: text().subarray(0, random(text().length)), headers: {} }),
    () => ({
      what: 'no JSON',
      body: Buffer.from(pick(random, ['', '[]', '7', 'null', '{"inputs":', '\u0000', 'NaN'])),
      headers: {},
    }),
    () => ({
      what: 'nested without end',
      body: Buffer.from(
        `{"inputs":[{"name":"minute","datatype":"INT32","shape":[1],"data":${'['.repeat(50_000)}1${']'.repeat(50_000)}}]}`,
      ),
      headers: {},
    }),
    () => {
      const field = pick(random, ['name', 'datatype', 'shape']);
      const i = random(5);
      const values = wrongValues.filter((value) => field !== 'shape' || !Array.isArray(value) || value.length !== 1);
      json.inputs[i]![field] = pick(random, values);
      return { what: `input ${i}: ${field} ${JSON.stringify(json.inputs[i]![field])}`, body: text(), headers: {} };
    },
    () => {
      const i = random(5);
      const values = [null, 7, 'x', {}, [], [1, 2], [[1], [2]], [null], [{}], [[[[[[[[[[[1]]]]]]]]]]]];
      json.inputs[i]!['data'] = pick(random, values);
      return { what: `input ${i}: data`, body: text(), headers: {} };
    },
    () => {
      json.inputs[1 + random(2)]!['data'] = [pick(random, [0.5, 2 ** 60, -(2 ** 70), '1', true, null])];
      return { what: 'a number that its column does not hold', body: text(), headers: {} };
    },
    () => {
      json[pick(random, ['inputs', 'outputs', 'parameters', 'id'])] = pick(random, [
        7,
        'x'.repeat(2_000),
        true,
        [7],
        [[]],
      ]);
      return { what: 'a part of another kind', body: text(), headers: {} };
    },
    () => {
      const length = pick(random, [
        '-1',
        'x',
        '1e3',
        '99999999999',
        String(text().length + 1),
        String(random(text().length)),
        '0',
      ]);
      return { what: `header length ${length}`, body: text(), headers: { 'inference-header-content-length': length } };
    },
    () => {
      const size = pick(random, [-1, 0, 3, 5, 2 ** 40, '4', null]);
      const i = 1 + random(4);
      delete json.inputs[i]!['data'];
      json.inputs[i]!['parameters'] = { binary_data_size: size };
      const head = text();
      const headers = { 'inference-header-content-length': String(head.length) };
      return { what: `binary_data_size ${size}`, body: Buffer.concat([head, Buffer.alloc(4 + random(3))]), headers };
    },
    () => ({
      what: 'bytes that nobody claims',
      body: Buffer.concat([text(), Buffer.alloc(9)]),
      headers: { 'inference-header-content-length': String(text().length) },
    }),
    () => ({
      what: 'no gzip',
      body: text(),
      headers: { 'content-encoding': pick(random, ['gzip', 'deflate', 'br', 'zstd']) },
    }),
  ];
  return pick(random, kinds)();
}
