import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { decodeInputs, encodeStrings, float32Bytes, float32View } from './tensor-codec.js';

/** A request as bytes of the wire, decoded as the server does. */
function decode(hex: string) {
  const request = ModelInferRequest.decode(Buffer.from(hex, 'hex'));
  return decodeInputs(request.modelName, request.inputs, request.rawInputContents, 1_000);
}

describe('inputs on the wire', () => {
  it('reads raw INT32', () => {
    const [tensor] = decode('0a016d2a130a06494e505554301205494e5433321a0201043a1000000000010000000200000003000000');
    expect(tensor).toMatchObject({ name: 'INPUT0', datatype: 'INT32', shape: [1, 4] });
    expect(Array.from(tensor!.values as ArrayLike<number>)).toEqual([0, 1, 2, 3]);
  });

  it('reads raw FP32', () => {
    const [tensor] = decode(
      '0a016d1201331a036162632a0d0a01581204465033321a02010232090a074f5554505554303a080000c03f000010c0',
    );
    expect(Array.from(tensor!.values as ArrayLike<number>)).toEqual([1.5, -2.25]);
  });

  it('reads raw BYTES, empty elements and UTF-8 among them', () => {
    const [tensor] = decode('0a016d2a0e0a0153120542595445531a0201033a100100000061000000000300000068c3a9');
    expect(tensor!.values).toEqual(['a', '', 'hé']);
  });
});

function input(datatype: string, shape: number[], contents?: object) {
  return ModelInferRequest.fromPartial({ inputs: [{ name: 'x', datatype, shape, ...(contents ? { contents } : {}) }] })
    .inputs;
}

describe('typed contents', () => {
  it.each([
    ['BOOL', { boolContents: [true, false] }, [1, 0]],
    ['INT32', { intContents: [-1, 2] }, [-1, 2]],
    ['INT64', { int64Contents: [5, 6] }, [5, 6]],
    ['FP64', { fp64Contents: [0.1, 0.2] }, [0.1, 0.2]],
    ['BYTES', { bytesContents: [Buffer.from('a'), Buffer.from('b')] }, ['a', 'b']],
  ])('reads %s', (datatype, contents, values) => {
    expect(Array.from(decodeInputs('m', input(datatype, [2], contents), [], 10)[0]!.values as never[])).toEqual(values);
  });
});

describe('a wrong input is refused with its name and what is right', () => {
  const raw = (bytes: number) => [Buffer.alloc(bytes)];
  it.each([
    [
      'a size that does not fit',
      () => decodeInputs('m', input('INT32', [2]), raw(9), 10),
      /'x' for model 'm'. Expected 8, got 9/,
    ],
    [
      'raw and typed at once',
      () => decodeInputs('m', input('INT32', [1], { intContents: [1] }), raw(4), 10),
      /must not be specified when using raw_input_contents for 'x'/,
    ],
    [
      'a buffer too many',
      () => decodeInputs('m', input('INT32', [1]), [Buffer.alloc(4), Buffer.alloc(4)], 10),
      /2 buffers for 1 inputs/,
    ],
    [
      'an unknown datatype',
      () => decodeInputs('m', input('FP8', [1]), raw(1), 10),
      /datatype "FP8" is not known; use one of BOOL/,
    ],
    ['too many elements', () => decodeInputs('m', input('INT32', [11]), raw(44), 10), /11 elements, at most 10/],
    ['a negative size', () => decodeInputs('m', input('INT32', [-1]), raw(0), 10), /shape \[-1\]/],
    [
      'a string that reaches too far',
      () => decodeInputs('m', input('BYTES', [1]), [Buffer.from([9, 0, 0, 0, 65])], 10),
      /incomplete string data for inference input 'x', expecting string of length 9 but only 1 bytes available/,
    ],
    [
      'an integer beyond 2^53',
      () => decodeInputs('m', input('INT64', [1]), [Buffer.from('ffffffffffffff7f', 'hex')], 10),
      /beyond 2\^53/,
    ],
    [
      'too few typed elements',
      () => decodeInputs('m', input('INT64', [2], { int64Contents: [1] }), [], 10),
      /1 elements for shape \[2\], expected 2/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});

it('writes strings so that it reads them again', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 20 }), (values) => {
      const decoded = decodeInputs(
        'm',
        input('BYTES', [values.length]),
        values.length === 0 ? [] : [encodeStrings(values)],
        100,
      );
      expect(decoded[0]!.values).toEqual(values);
    }),
  );
});

it('sees floats in bytes that are not aligned', () => {
  const bytes = Buffer.concat([Buffer.from([0]), float32Bytes(Float32Array.of(1.5, Number.NaN))]).subarray(1);
  expect(Array.from(float32View(bytes))).toEqual([1.5, Number.NaN]);
});
