import { expect, it } from '@jest/globals';
import { classifyTensor } from './classify-tensor.js';

const fp32 = (shape: number[], ...values: number[]) => ({
  name: 'scores',
  datatype: 'FP32',
  shape,
  data: Buffer.from(Float32Array.from(values).buffer),
});

it('the largest of each item of a batch come first, ties by index, NaN last', () => {
  expect(classifyTensor(fp32([2, 3], 0.25, 0.5, 0.25, Number.NaN, -1, -Infinity), 2)).toEqual({
    name: 'scores',
    datatype: 'BYTES',
    shape: [2, 2],
    values: ['0.500000:1', '0.250000:0', '-1.000000:1', '-Infinity:2'],
  });
});

it('an output of one dimension is one item, and more classes than there are gives what there are', () => {
  expect(classifyTensor(fp32([2], 1, 2), 9)).toMatchObject({ shape: [2], values: ['2.000000:1', '1.000000:0'] });
  const integers = { name: 'n', datatype: 'INT64', shape: [2], data: Buffer.from(BigInt64Array.of(3n, 7n).buffer) };
  expect(classifyTensor(integers, 1)).toMatchObject({ shape: [1], values: ['7:1'] });
  expect(classifyTensor(fp32([0, 3]), 1)).toMatchObject({ shape: [0, 0], values: [] });
});
