import { describe, expect, it } from '@jest/globals';
import type { Datatype } from './endpoint-inputs.js';
import { readCell, readVector } from './read-cell.js';

describe('a cell', () => {
  it.each<[Datatype, unknown, unknown]>([
    ['BYTES', 'DEN', 'DEN'],
    ['BYTES', '', ''],
    ['INT32', 17, 17],
    ['INT32', '-17', -17],
    ['INT32', '7.0', 7],
    ['INT64', 9007199254740991, 9007199254740991],
    ['INT64', '2001-06-10T08:15:00Z', Date.UTC(2001, 5, 10, 8, 15)],
    ['FP64', '1e-3', 0.001],
    ['FP64', '', Number.NaN],
    ['FP64', null, Number.NaN],
    ['FP64', undefined, Number.NaN],
    ['BOOL', 'true', true],
    ['BOOL', 0, false],
  ])('of %s is read from %p', (datatype, value, right) => {
    expect(readCell('c', datatype, value)).toBe(right);
  });

  it.each<[Datatype, unknown, string]>([
    ['BYTES', 17, 'column "c": 17 is no value of it; it takes text'],
    ['BYTES', null, 'column "c": null is no value of it; it takes text'],
    ['INT32', undefined, 'column "c": missing; it takes a whole number from -2147483648 to 2147483647'],
    ['INT32', '', 'column "c": empty; it takes a whole number from -2147483648 to 2147483647'],
    ['INT32', 2 ** 31, 'column "c": 2147483648 is no value of it'],
    ['INT32', '1.5', 'column "c": "1.5" is no value of it'],
    [
      'INT64',
      2 ** 53,
      'column "c": 9007199254740992 is no value of it; it takes a whole number of at most 2^53, or an',
    ],
    ['INT64', '2001-06-10', 'or an instant in RFC 3339, e.g. 2001-06-10T08:15:00Z'],
    ['FP64', 'far', 'column "c": "far" is no value of it; it takes a number, or nothing'],
    ['FP64', '0x10', 'column "c": "0x10" is no value of it'],
    ['FP64', true, 'column "c": true is no value of it'],
    ['BOOL', 'yes', 'column "c": "yes" is no value of it; it takes true or false'],
  ])('of %s is not read from %p, and it is said what would be right', (datatype, value, words) => {
    expect(() => readCell('c', datatype, value)).toThrow(words);
  });
});

describe('a vector', () => {
  it('is an array or the text of one; null is missing', () => {
    expect([...readVector('features', '[1, null, 0.5]', 3)]).toEqual([1, Number.NaN, 0.5]);
    expect([...readVector('features', [1, 2], undefined)]).toEqual([1, 2]);
  });

  it.each([
    ['[1', 'column "features": "[1" is no value of it; it takes an array of numbers'],
    [[], 'it takes an array of numbers'],
    [[1, 'a'], 'column "features[1]": "a" is no value of it; it takes a number, or null'],
    [[1, 2, 3], 'column "features": 3 numbers, and the first row has 2'],
  ])('is not %p', (value, words) => {
    expect(() => readVector('features', value, 2)).toThrow(words);
  });
});
