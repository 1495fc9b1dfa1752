import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeJson } from './json-tensor.js';

const head = (datatype: string, ...shape: number[]) => ({ name: 'x', datatype, shape });
const values = (datatype: string, data: unknown, ...shape: number[]) =>
  Array.from(decodeJson(head(datatype, ...shape), data, 100).values as ArrayLike<unknown>);

describe('JSON data', () => {
  it('is the same flat and nested', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer(), fc.integer()), { minLength: 1, maxLength: 20 }), (rows) => {
        expect(values('INT64', rows, rows.length, 2)).toEqual(values('INT64', rows.flat(), rows.length, 2));
      }),
    );
  });

  it.each([
    ['BYTES', ['a', ''], ['a', '']],
    ['BOOL', [true, 0], [1, 0]],
    ['FP16', [0.5, 1], [0.5, 1]],
    ['UINT8', [0, 255], [0, 255]],
    ['FP64', [], []],
  ])('%s', (datatype, data, expected) => expect(values(datatype, data, data.length)).toEqual(expected));

  it.each([
    ['no list', 'INT32', 7, [1], /data is 7, expected a list/],
    ['nothing', 'INT32', undefined, [1], /data is missing, expected a list/],
    ['too many', 'INT32', [1, 2], [1], /2 elements for shape \[1\], expected 1/],
    ['too few', 'INT32', [1], [2], /1 elements for shape \[2\], expected 2/],
    ['text for a number', 'INT32', ['1'], [1], /element 0 is "1"; INT32 takes a number/],
    ['a number for text', 'BYTES', [1], [1], /element 0 is 1; BYTES takes a string/],
    ['null', 'FP32', [null], [1], /element 0 is null; FP32 takes a number/],
    ['a number for a BOOL', 'BOOL', [2], [1], /element 0 is 2; BOOL takes true or false/],
    ['beyond its range', 'INT8', [1, 128], [2], /element 1 is 128; INT8 takes integers from -128 to 127/],
    ['half an integer', 'UINT16', [0.5], [1], /element 0 is 0.5; UINT16 takes integers from 0 to 65535/],
    ['beyond 2^53', 'INT64', [2 ** 60], [1], /element 0 is 1152921504606847000; INT64 .*beyond 2\^53/],
    ['deeper than any shape', 'INT32', [[[[[[[[[[[1]]]]]]]]]]], [1], /nested more than 8 lists deep/],
  ])('refuses %s', (_, datatype, data, shape, message) => {
    expect(() => values(datatype, data, ...shape)).toThrow(message);
  });
});
