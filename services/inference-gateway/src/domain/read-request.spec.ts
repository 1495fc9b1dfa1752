import { describe, expect, it } from '@jest/globals';
import { int32, setUp, text } from '../../test/fakes.js';

const raw = (name: string, datatype: string, bytes: number[]) => ({
  inputs: [
    { name: 'flight_id', datatype: 'BYTES', shape: [1] },
    { name, datatype, shape: [1] },
  ],
  rawInputContents: [Buffer.from([1, 0, 0, 0, 120]), Buffer.from(bytes)],
});

describe('a number of another datatype than its column', () => {
  it.each([
    ['INT8', [10]],
    ['UINT64', [10, 0, 0, 0, 0, 0, 0, 0]],
    ['FP16', [0x00, 0x49]],
    ['BF16', [0x20, 0x41]],
    ['FP32', [0, 0, 0x20, 0x41]],
    ['FP64', [0, 0, 0, 0, 0, 0, 0x24, 0x40]],
  ])('is taken where it is exact: %s', async (datatype, bytes) => {
    const { infer, log } = setUp();
    await infer(raw('minute', datatype, bytes));
    expect(JSON.parse(log.kept[0]!.prediction.requestJson.toString())).toMatchObject({ minute: 10 });
  });

  it.each([
    [
      'half',
      'FP16',
      [0x00, 0x38],
      /input 'minute': element 0 is 0.5 of FP16, and the column's type int32 takes integers/,
    ],
    ['beyond int32', 'UINT32', [255, 255, 255, 255], /element 0 is 4294967295 of UINT32/],
    ['NaN', 'BF16', [0xc0, 0x7f], /element 0 is NaN of BF16/],
    ['a truth', 'BOOL', [1], /input 'minute' data-type is 'BOOL', but model 'late' expects 'INT32'/],
  ])('and refused where it is not: %s', async (_, datatype, bytes, message) => {
    await expect(setUp().infer(raw('minute', datatype, bytes))).rejects.toThrow(message);
  });

  it('a whole vector is taken where FP32 holds each of it', async () => {
    const vector = (...fp64Contents: number[]) => ({
      inputs: [
        { name: 'features', datatype: 'FP64', shape: [1, 2], contents: { fp64Contents } },
        text('flight_id', 'x'),
      ],
    });
    const { infer, log } = setUp();
    await infer(vector(0.5, Number.NaN));
    expect(log.kept[0]!.prediction.features.readFloatLE(0)).toBe(0.5);
    await expect(infer(vector(0.5, 0.1))).rejects.toThrow(/element 1 is 0.1 of FP64, which FP32 does not hold exactly/);
  });
});

describe('reserved parameters', () => {
  const asked = (name: string, parameterChoice: unknown) => ({
    inputs: [text('flight_id', 'x'), int32('minute', 1)],
    parameters: { [name]: { parameterChoice } },
  });
  it.each([
    ['priority', { $case: 'uint64Param', uint64Param: 0 }],
    ['timeout', { $case: 'int64Param', int64Param: 5_000_000 }],
    ['sequence_id', { $case: 'stringParam', stringParam: 's' }],
    ['triton_enable_empty_final_response', { $case: 'boolParam', boolParam: true }],
    ['anything', undefined],
  ])('%s is taken', async (name, choice) => {
    await expect(setUp().infer(asked(name, choice))).resolves.toMatchObject({ id: 'r1' });
  });

  it.each([
    [
      'priority',
      { $case: 'stringParam', stringParam: 'high' },
      /parameter 'priority' is "high", expected a whole number/,
    ],
    ['timeout', { $case: 'int64Param', int64Param: -1 }, /parameter 'timeout' is -1, expected a whole number/],
    [
      'sequence_start',
      { $case: 'int64Param', int64Param: 1 },
      /parameter 'sequence_start' is 1, expected true or false/,
    ],
    ['triton_secret', { $case: 'boolParam', boolParam: true }, /names that begin with 'triton_' are reserved/],
  ])('%s is refused where it is wrong', async (name, choice, message) => {
    await expect(setUp().infer(asked(name, choice))).rejects.toThrow(message);
  });

  it('a timeout that is over by the time that the rows are scored answers so, and nothing is kept', async () => {
    const { infer, log, runner } = setUp();
    runner.special.set('live', async (rows) => {
      for (const end = Date.now() + 5; Date.now() < end;);
      return new Float32Array(rows);
    });
    const request = asked('timeout', { $case: 'int64Param', int64Param: 2_000 });
    await expect(infer(request)).rejects.toMatchObject({ code: 'unavailable' });
    expect(log.kept).toHaveLength(0);
  });
});
