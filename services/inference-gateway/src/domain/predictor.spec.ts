import { describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { parseTraceContext } from '#libs/telemetry/trace-context.js';
import { flights, int32, int64, live, plan, setUp, snapshot, text, version } from '../../test/fakes.js';
import { endpointOf } from './arms.js';
import { modelMetadata } from './model-metadata.js';

it('what a sampled trace asked for is logged with its id, and no other', async () => {
  const { infer, log } = setUp();
  for (const flags of ['01', '00'])
    await infer(
      flights('x'),
      Number.POSITIVE_INFINITY,
      parseTraceContext(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`),
    );
  await infer(flights('x'));
  expect(log.kept.map(({ prediction }) => prediction.traceId)).toEqual(['a'.repeat(32), '', '']);
});

describe('a prediction', () => {
  it('is scored, kept in the log with what it was made of, and only then answered', async () => {
    const { infer, log } = setUp();
    const response = await infer({
      inputs: [text('flight_id', 'x', 'y'), int64('at', 1_000, 2_000), int32('minute', 10, 20)],
    });
    expect(response).toMatchObject({ modelName: 'late', modelVersion: '3', id: 'r1' });
    expect(response.outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ['probability', 'FP32', [2]],
      ['prediction_id', 'BYTES', [2]],
    ]);
    expect(response.rawOutputContents[0]!.readFloatLE(4)).toBeCloseTo(0.2);
    expect(log.kept.map(({ prediction }) => prediction)).toMatchObject([
      {
        requestId: 'r1',
        joinKey: 'x',
        stickyKey: 'x',
        asOfMs: 1_000,
        modelVersion: '3',
        caller: 'tester',
        fallback: false,
        featuresGiven: false,
      },
      { joinKey: 'y', asOfMs: 2_000 },
    ]);
    expect(log.kept[1]!.prediction.features.readFloatLE(0)).toBe(20);
    expect(log.kept[1]!.prediction.features.readFloatLE(4)).toBeNaN();
    expect(log.kept[0]!.snapshot).toBe(snapshot);
  });

  it('takes a timestamp as RFC 3339 too', async () => {
    const { infer, log } = setUp();
    await infer({ inputs: [text('flight_id', 'x'), text('at', '2001-06-10T08:15:00Z'), int32('minute', 1)] });
    expect(log.kept[0]!.prediction.asOfMs).toBe(Date.UTC(2001, 5, 10, 8, 15));
  });

  it('takes the vector whole', async () => {
    const { infer, log } = setUp();
    const features = { name: 'features', datatype: 'FP32', shape: [1, 2], contents: { fp32Contents: [50, 1] } };
    const response = await infer({ inputs: [features, text('flight_id', 'x')] });
    expect(response.rawOutputContents[0]!.readFloatLE(0)).toBeCloseTo(0.5);
    expect(log.kept[0]!.prediction).toMatchObject({ featuresGiven: true, joinKey: 'x' });
  });

  it('is not answered when it cannot be kept', async () => {
    const { infer, log } = setUp();
    log.error = new MillraceError('unavailable', 'full');
    await expect(infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] })).rejects.toThrow('full');
  });

  it('is answered with the declared fallback, flagged and kept as one, when a part is away', async () => {
    const { infer, log, features } = setUp(endpointOf({ ...plan, fallbackPrediction: 0.25 }, version));
    features.error = new MillraceError('unavailable', 'redis is away');
    const response = await infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] });
    expect(response.rawOutputContents[0]!.readFloatLE(0)).toBe(0.25);
    expect(response.parameters['fallback']?.parameterChoice).toEqual({ $case: 'boolParam', boolParam: true });
    expect(log.kept[0]!.prediction).toMatchObject({ fallback: true });
  });

  it('fails plainly where no fallback is declared, or where the request is what is wrong', async () => {
    const { infer, features } = setUp();
    features.error = new MillraceError('unavailable', 'redis is away');
    await expect(infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] })).rejects.toMatchObject({
      code: 'unavailable',
    });
    const declared = setUp(endpointOf({ ...plan, fallbackPrediction: 0.25 }, version));
    declared.features.error = new MillraceError('invalid-argument', 'wrong');
    await expect(declared.infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});

describe('a wrong request names what is wrong and what is right', () => {
  it.each([
    [
      'nothing',
      [],
      /expected number of inputs between 2 and 3 but got 0 inputs for model 'late'. Got input\(s\) \[\], but missing required input\(s\) \['flight_id','minute'\]/,
    ],
    [
      'an input is missing',
      [text('flight_id', 'x')],
      /got 1 inputs for model 'late'. Got input\(s\) \['flight_id'\], but missing required input\(s\) \['minute'\]. Please provide all required input\(s\)./,
    ],
    [
      'an unknown input',
      [text('flight_id', 'x'), int32('minut', 1)],
      /unexpected inference input 'minut' for model 'late'; its inputs are flight_id, at, minute/,
    ],
    [
      'a wrong datatype',
      [text('flight_id', 'x'), text('minute', '1')],
      /inference input 'minute' data-type is 'BYTES', but model 'late' expects 'INT32'/,
    ],
    [
      'rows that differ',
      [text('flight_id', 'x', 'y'), int32('minute', 1)],
      /unexpected shape for input 'minute' for model 'late'. Expected \[2\] as the other inputs, got \[1\]/,
    ],
    ['an input twice', [int32('minute', 1), int32('minute', 1)], /'minute' came twice/],
    [
      'a vector of another width',
      [{ name: 'features', datatype: 'FP32', shape: [1, 3], contents: { fp32Contents: [1, 2, 3] } }],
      /shape \[1,3\], expected \[1,2\]/,
    ],
    [
      'a timestamp that is none',
      [text('flight_id', 'x'), text('at', 'noon'), int32('minute', 1)],
      /"noon" is not RFC 3339/,
    ],
  ])('%s', async (_, inputs, message) => {
    const error = await setUp()
      .infer({ inputs })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) });
  });

  it('too many rows at once are refused early, and counted out again', async () => {
    const { infer } = setUp();
    const rows = Array.from({ length: 11 }, (_, i) => i);
    const many = { inputs: [text('flight_id', ...rows.map(String)), int32('minute', ...rows)] };
    await expect(infer(many)).rejects.toMatchObject({ code: 'resource-exhausted' });
    await expect(infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] })).resolves.toBeDefined();
  });

  it('a deadline that has passed ends it before any work', async () => {
    await expect(setUp().infer({ inputs: [text('flight_id', 'x'), int32('minute', 1)] }, 1)).rejects.toMatchObject({
      code: 'deadline-exceeded',
    });
  });
});

it('metadata names the columns as inputs', () => {
  expect(modelMetadata(live).inputs).toEqual([
    { name: 'flight_id', datatype: 'BYTES', shape: [-1, 1] },
    { name: 'at', datatype: 'INT64', shape: [-1, 1] },
    { name: 'minute', datatype: 'INT32', shape: [-1, 1] },
  ]);
});
