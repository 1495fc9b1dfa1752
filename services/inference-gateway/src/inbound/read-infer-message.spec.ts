import { describe, expect, it } from '@jest/globals';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { readInferMessage } from './read-infer-message.js';

const request = ModelInferRequest.fromPartial({
  modelName: 'late',
  id: 'r-1',
  inputs: [{ name: 'minute', datatype: 'INT32', shape: [1] }],
});
const bytes = Buffer.from(ModelInferRequest.encode(request).finish());
const followedBy = (hex: string) => readInferMessage(Buffer.concat([bytes, Buffer.from(hex, 'hex')]));

describe('a request of the wire', () => {
  it('is read', () => expect(readInferMessage(bytes)).toEqual(request));

  it.each([
    ['a size of 2^62', '2a0c0a017812014f1a0480808080', /^input 'x': shape or parameters: /],
    [
      'a size beyond 2^53',
      '2a0e0a01781a09808080808080808040',
      /^input 'x': shape or parameters: a number is beyond 2\^53/,
    ],
    [
      'an element beyond 2^53',
      '2a100a01782a0b1a09808080808080808040',
      /^input 'x': contents: a number is beyond 2\^53/,
    ],
    ['a parameter beyond 2^53', '220f0a016b120a28808080808080808040', /^parameter 'k': /],
    ['an output cut off', '32050a01791205', /^output 'y': not protobuf/],
    ['the end cut off', '2aff', /^the request is not a ModelInferRequest: not protobuf/],
  ])('with %s is not, and says what is wrong', (_, hex, problem) => {
    const read = followedBy(hex);
    expect(read.unreadable).toMatch(problem);
    expect([read.modelName, read.id]).toEqual(['late', 'r-1']);
  });

  it('never throws', () => {
    for (let i = 0; i < bytes.length; i++)
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[i] = value;
        expect(readInferMessage(damaged)).toBeDefined();
        expect(readInferMessage(damaged.subarray(0, i))).toBeDefined();
      }
  });
});
