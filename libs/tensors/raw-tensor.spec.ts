import { describe, expect, it } from '@jest/globals';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { countOf, elementsOfRaw, rawFromJson, rawInputs, rawTensor } from './raw-tensor.js';

const head = (datatype: string, ...shape: number[]) => ({ name: 'x', datatype, shape });
const inputsOf = (datatype: string, shape: number[], contents: object) =>
  ModelInferRequest.fromPartial({ inputs: [{ name: 'x', datatype, shape, contents }] }).inputs;

describe('a raw tensor', () => {
  it.each([
    ['BOOL', { boolContents: [true, false] }, [true, false], '0100'],
    ['INT8', { intContents: [-1, 127] }, [-1, 127], 'ff7f'],
    ['INT16', { intContents: [-2, 258] }, [-2, 258], 'feff0201'],
    ['INT32', { intContents: [-1, 1] }, [-1, 1], 'ffffffff01000000'],
    ['INT64', { int64Contents: [-1, 2] }, [-1, 2], 'ffffffffffffffff0200000000000000'],
    ['UINT8', { uintContents: [0, 255] }, [0, 255], '00ff'],
    ['UINT16', { uintContents: [1, 65535] }, [1, 65535], '0100ffff'],
    ['UINT32', { uintContents: [1, 4294967295] }, [1, 4294967295], '01000000ffffffff'],
    ['UINT64', { uint64Contents: [1, 2] }, [1, 2], '01000000000000000200000000000000'],
    ['FP32', { fp32Contents: [1, -2] }, [1, -2], '0000803f000000c0'],
    ['FP64', { fp64Contents: [1, -2] }, [1, -2], '000000000000f03f00000000000000c0'],
    ['BYTES', { bytesContents: [Buffer.from('a'), Buffer.from('ö')] }, ['a', 'ö'], '010000006102000000c3b6'],
  ])('of %s is the same from typed contents, from JSON and from its bytes', (datatype, contents, values, hex) => {
    const [typed] = rawInputs('m', inputsOf(datatype, [2, 1], contents), []);
    expect(typed).toMatchObject({ name: 'x', datatype, shape: [2, 1] });
    expect(typed!.data.toString('hex')).toBe(hex);
    expect(
      rawFromJson(
        head(datatype, 2, 1),
        values.map((value) => [value]),
      ).data.toString('hex'),
    ).toBe(hex);
    expect(elementsOfRaw(rawTensor('m', head(datatype, 2, 1), Buffer.from(hex, 'hex')))).toEqual(values);
  });

  it('of FP16 and BF16 comes raw alone', () => {
    expect(elementsOfRaw(rawTensor('m', head('FP16', 2), Buffer.from('003e00c0', 'hex')))).toEqual([1.5, -2]);
    expect(elementsOfRaw(rawTensor('m', head('BF16', 2), Buffer.from('c03f00c0', 'hex')))).toEqual([1.5, -2]);
    expect(() => rawFromJson(head('BF16', 1), [1])).toThrow("input 'x': BF16 has no JSON form; send it in binary");
  });

  it('hands on what no number holds', () => {
    const data = Buffer.from(BigInt64Array.of(2n ** 62n, -5n).buffer);
    const tensor = rawTensor('m', head('INT64', 2), data);
    expect(tensor.data).toBe(data);
    expect(elementsOfRaw(tensor)).toEqual([String(2n ** 62n), -5]);
  });

  it('has no dimension where it is a scalar, and no elements where one is 0', () => {
    expect(countOf(head('FP32'))).toBe(1);
    expect(countOf(head('FP32', 0, 2 ** 40))).toBe(0);
    expect(rawTensor('m', head('FP64'), Buffer.alloc(8)).shape).toEqual([]);
  });

  it.each([
    [() => countOf(head('FP32', 1, 1, 1, 1, 1, 1, 1, 1, 1)), 'shape has 9 sizes, at most 8 are'],
    [() => countOf(head('FP32', 2 ** 40, 2 ** 40)), 'is too large'],
    [() => countOf(head('FP32', 1.5)), 'must be of sizes of 0 or more'],
    [() => rawTensor('m', head('FP32', 2), Buffer.alloc(7)), 'Expected 8, got 7'],
    [() => rawTensor('m', head('COMPLEX', 1), Buffer.alloc(1)), 'datatype "COMPLEX" is not known'],
    [() => rawTensor('m', head('BYTES', 1), Buffer.from([9, 0, 0, 0, 1])), 'expecting string of length 9 but only 1'],
    [() => rawTensor('m', head('BYTES', 1), Buffer.from([0, 0])), 'expecting 4 bytes but only 2'],
    [() => rawTensor('m', head('BYTES', 2), Buffer.alloc(4)), 'unexpected number of string elements 1'],
    [() => rawInputs('m', inputsOf('INT32', [3], { intContents: [1, 2] }), []), '2 elements for shape [3], expected 3'],
    [() => rawInputs('m', inputsOf('INT8', [1], { intContents: [300] }), []), 'element 0 is 300'],
    [
      () => rawInputs('m', inputsOf('FP32', [1], { fp32Contents: [1] }), [Buffer.alloc(4)]),
      'contents field must not be',
    ],
    [
      () =>
        rawInputs(
          'm',
          inputsOf('FP32', [1], {}).map((i) => ({ ...i, contents: undefined })),
          [Buffer.alloc(4), Buffer.alloc(4)],
        ),
      '2 buffers for 1 inputs',
    ],
  ])('that is wrong is named: %#', (read, message) => {
    expect(read).toThrow(message);
  });
});
