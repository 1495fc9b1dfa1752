import { expect, it } from '@jest/globals';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { decodeInputs } from '#libs/tensors/tensor-codec.js';
import { encodeRequest } from './encode-request.js';
import type { PreparedRow } from './prepare-chunks.js';

const sent = [
  { name: 'id', datatype: 'BYTES', optional: false },
  { name: 'minute', datatype: 'INT32', optional: false },
  { name: 'at', datatype: 'INT64', optional: true },
  { name: 'distance', datatype: 'FP64', optional: false },
  { name: 'hub', datatype: 'BOOL', optional: false },
] as const;
const inputs = { columns: sent, score: 'probability' };
const row = (number: number, cells: PreparedRow['cells'], vector?: readonly number[]): PreparedRow => ({
  row: number,
  line: number,
  cells,
  vector: vector === undefined ? undefined : Float32Array.from(vector),
  kept: [],
});

it('a request is what the gateway decodes: columns of all datatypes, vectors, id, version, and the lowest priority', () => {
  const rows = [
    row(1, ['é', -5, 1_700_000_000_000, 0.1, true], [1, Number.NaN]),
    row(2, ['', 2 ** 31 - 1, -1, Number.NaN, false], [0.5, 3]),
  ];
  const asked = { endpoint: 'late', version: '3', inputs, columns: { sent, vectors: true, kept: [] } };
  const request = ModelInferRequest.decode(ModelInferRequest.encode(encodeRequest(asked, 'run/0', rows)).finish());
  const decoded = decodeInputs('late', request.inputs, request.rawInputContents, 100);
  expect(
    decoded.map(({ name, datatype, shape, values }) => [
      name,
      datatype,
      shape,
      Array.from(values as ArrayLike<unknown>),
    ]),
  ).toEqual([
    ['id', 'BYTES', [2], ['é', '']],
    ['minute', 'INT32', [2], [-5, 2 ** 31 - 1]],
    ['at', 'INT64', [2], [1_700_000_000_000, -1]],
    ['distance', 'FP64', [2], [0.1, Number.NaN]],
    ['hub', 'BOOL', [2], [1, 0]],
    ['features', 'FP32', [2, 2], [1, Number.NaN, 0.5, 3]],
  ]);
  expect(request).toMatchObject({ modelName: 'late', modelVersion: '3', id: 'run/0' });
  expect(request.parameters['priority']?.parameterChoice).toEqual({ $case: 'int64Param', int64Param: 3 });
  expect(request.outputs.map(({ name }) => name)).toEqual(['probability', 'prediction_id', 'model_version']);
});
