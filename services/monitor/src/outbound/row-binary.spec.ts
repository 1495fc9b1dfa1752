import { expect, it } from '@jest/globals';
import { RowBinary } from './row-binary.js';

it('writes values as ClickHouse reads them', () => {
  const rows = new RowBinary();
  rows.string('hé');
  rows.bool(true);
  rows.uint32(7);
  rows.float32(1.5);
  rows.int64(-2);
  rows.float64(-0.5);
  rows.array([1, 2], (value) => rows.uint32(value));
  rows.float32Array(Buffer.from(Float32Array.of(0.5).buffer));
  expect(rows.bytes().toString('hex')).toBe(
    [
      '0368c3a9',
      '01',
      '07000000',
      '0000c03f',
      'feffffffffffffff',
      '000000000000e0bf',
      '02',
      '0100000002000000',
      '01',
      '0000003f',
    ].join(''),
  );
});

it('grows as it must, and writes long lengths in several bytes', () => {
  const rows = new RowBinary();
  const text = 'x'.repeat(3_000_000);
  rows.string(text);
  rows.string('end');
  const bytes = rows.bytes();
  expect(bytes.subarray(0, 4).toString('hex')).toBe('c08db701');
  expect(bytes.subarray(-4).toString()).toBe('\u0003end');
  expect(bytes).toHaveLength(4 + text.length + 4);
});
