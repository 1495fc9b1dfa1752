import { describe, expect, it } from '@jest/globals';
import {
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
  RepositoryModelLoadRequest,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { decodeInputs } from './tensor-codec.js';

/** Messages as other implementations of the protocol write them, byte for byte. */
const vectors = {
  int32: '0a016d2a130a06494e505554301205494e5433321a0201043a1000000000010000000200000003000000',
  floats: '0a016d1201331a036162632a0d0a01581204465033321a02010232090a074f5554505554303a080000c03f000010c0',
  texts: '0a016d2a0e0a0153120542595445531a0201033a100100000061000000000300000068c3a9',
  mixed:
    '0a016d2a0c0a01421204424f4f4c1a01022a0c0a01481204465031361a01022a0d0a014c1205494e5436341a01013a0201003a04003c00383a08ffffffffffffffff',
  parameters:
    '0a016d220e0a0164120921000000000000e03f22070a01661202080122080a016b12031a017622070a016e12021007220e0a087072696f726974791202280222120a0c73657175656e63655f656e641202080022110a0b73657175656e63655f69641202102a22140a0e73657175656e63655f737461727412020801220e0a0774696d656f7574120310e8072a130a06494e505554301205494e5433321a02010432190a014f12140a0e636c617373696669636174696f6e120210023a1000000000010000000200000003000000',
  typed: '0a016d2a190a01581204465033321a0201022a0a32080000c03f000010c0',
  response: '0a016d1201311a036162632a0d0a014f1204465033321a02010232080000c03f000010c0',
  streamError: '0a04626f6f6d',
  load: '12016d1a0e0a06636f6e66696712041a027b7d1a190a1166696c653a312f6d6f64656c2e6f6e6e78120422020001',
};
const bytes = (name: keyof typeof vectors) => Buffer.from(vectors[name], 'hex');

const types = {
  int32: ModelInferRequest,
  floats: ModelInferRequest,
  texts: ModelInferRequest,
  mixed: ModelInferRequest,
  parameters: ModelInferRequest,
  typed: ModelInferRequest,
  response: ModelInferResponse,
  streamError: ModelStreamInferResponse,
  load: RepositoryModelLoadRequest,
} as const;

/** Nothing has an order in a map, so bytes are compared where there is none, and else what they say. */
it.each(Object.keys(types) as (keyof typeof types)[])('%s: read and written again it says the same', (name) => {
  const type = types[name] as typeof ModelInferRequest;
  const message = type.decode(bytes(name));
  const written = Buffer.from(type.encode(message).finish());
  expect(type.decode(written)).toEqual(message);
  expect(written).toHaveLength(bytes(name).length);
  if (name !== 'parameters' && name !== 'load') expect(written.toString('hex')).toBe(vectors[name]);
});

const read = (name: keyof typeof vectors) => {
  const request = ModelInferRequest.decode(bytes(name));
  return decodeInputs(request.modelName, request.inputs, request.rawInputContents, 1_000).map(
    ({ name: tensor, datatype, shape, values }) => [tensor, datatype, shape, Array.from(values as ArrayLike<unknown>)],
  );
};

describe('what they say', () => {
  it.each([
    ['int32', [['INPUT0', 'INT32', [1, 4], [0, 1, 2, 3]]]],
    ['floats', [['X', 'FP32', [1, 2], [1.5, -2.25]]]],
    ['typed', [['X', 'FP32', [1, 2], [1.5, -2.25]]]],
    ['texts', [['S', 'BYTES', [1, 3], ['a', '', 'hé']]]],
    [
      'mixed',
      [
        ['B', 'BOOL', [2], [1, 0]],
        ['H', 'FP16', [2], [1, 0.5]],
        ['L', 'INT64', [1], [-1]],
      ],
    ],
  ] as const)('%s', (name, tensors) => expect(read(name)).toEqual(tensors));

  it('parameters of every kind', () => {
    const { parameters, outputs } = ModelInferRequest.decode(bytes('parameters'));
    expect(Object.fromEntries(Object.entries(parameters).map(([key, one]) => [key, one.parameterChoice]))).toEqual({
      d: { $case: 'doubleParam', doubleParam: 0.5 },
      f: { $case: 'boolParam', boolParam: true },
      k: { $case: 'stringParam', stringParam: 'v' },
      n: { $case: 'int64Param', int64Param: 7 },
      priority: { $case: 'uint64Param', uint64Param: 2 },
      sequence_id: { $case: 'int64Param', int64Param: 42 },
      sequence_start: { $case: 'boolParam', boolParam: true },
      sequence_end: { $case: 'boolParam', boolParam: false },
      timeout: { $case: 'int64Param', int64Param: 1_000 },
    });
    expect(outputs[0]!.parameters['classification']?.parameterChoice).toEqual({ $case: 'int64Param', int64Param: 2 });
  });

  it('an answer, an error of a stream, and a file to load', () => {
    expect(ModelInferResponse.decode(bytes('response'))).toMatchObject({ modelVersion: '1', id: 'abc' });
    expect(ModelStreamInferResponse.decode(bytes('streamError')).errorMessage).toBe('boom');
    const { modelName, parameters } = RepositoryModelLoadRequest.decode(bytes('load'));
    expect([modelName, parameters['file:1/model.onnx']?.parameterChoice]).toMatchObject(['m', { $case: 'bytesParam' }]);
  });
});
