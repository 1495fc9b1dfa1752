import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { anyEndpoint, setUpTensors, tried, two } from '../../test/fake-tensors.js';
import { modelConfig, modelMetadata } from './model-metadata.js';

const float64 = (bytes: Buffer) => [...new Float64Array(new Uint8Array(bytes).buffer)];
const away = new MillraceError('unavailable', 'no inference worker answers');

describe('a request to a model of any kind', () => {
  it('is answered with the tensors of the model alone, and kept before that', async () => {
    const { infer, log } = setUpTensors();
    const answer = await infer(two);
    expect(answer.outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ['total', 'FP64', [2]],
      ['kept', 'INT64', [2]],
    ]);
    expect(float64(answer.rawOutputContents[0]!)).toEqual([2, 10]);
    expect(answer.parameters['prediction_id']?.parameterChoice).toMatchObject({ stringParam: 'id-0' });
    const { prediction } = log.kept[0]!;
    expect(prediction).toMatchObject({ requestId: 'r1', modelVersion: '1', outputs: [2, 10], arm: 'live' });
    expect(JSON.parse(prediction.requestJson.toString())).toEqual({
      inputs: [
        {
          name: 'half',
          datatype: 'FP16',
          shape: [2],
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          values: [0.5, 2],
        },
        { name: 'count', datatype: 'INT64', shape: [2], sha256: expect.any(String), values: [4, 5] },
        { name: 'keep', datatype: 'BOOL', shape: [2], sha256: expect.any(String), values: [true, false] },
      ],
    });
  });

  it('is not explained', async () => {
    const parameters = { explain: { parameterChoice: { $case: 'boolParam', boolParam: true } } };
    await expect(setUpTensors().infer({ ...two, parameters })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/^explain: 'any' is of task tensors/),
    });
  });

  it('is not answered where it cannot be kept', async () => {
    const { infer, log } = setUpTensors();
    log.error = new MillraceError('unavailable', 'the log is full');
    await expect(infer(two)).rejects.toThrow('the log is full');
  });

  it('has what it asks for, classes too, and typed contents do as raw ones', async () => {
    const { infer } = setUpTensors();
    const [, count, keep] = two.inputs;
    const one = await infer({ ...two, outputs: [{ name: 'kept' }] });
    expect(one.outputs.map(({ name }) => name)).toEqual(['kept']);
    const parameters = { classification: { parameterChoice: { $case: 'int64Param', int64Param: 1 } } };
    const classes = await infer({ ...two, outputs: [{ name: 'total', parameters }] });
    expect(classes.outputs[0]).toMatchObject({ datatype: 'BYTES', shape: [1] });
    expect(classes.rawOutputContents[0]!.toString('utf8', 4)).toBe('10.000000:1');
    await expect(
      infer({ inputs: [{ ...two.inputs[0]!, contents: { fp32Contents: [1, 2] } }, count, keep] }),
    ).rejects.toThrow("input 'half': FP16 has no typed contents; send it in raw_input_contents");
  });

  const changed = (i: number, more: object) => ({
    ...two,
    inputs: two.inputs.map((input, j) => (i === j ? { ...input, ...more } : input)),
  });
  it.each([
    [changed(0, { name: 'x' }), "unexpected inference input 'x' for model 'any'; its inputs are half, count, keep"],
    [changed(1, { name: 'half', datatype: 'FP16' }), "input 'half' came twice"],
    [
      changed(1, { datatype: 'INT32' }),
      "inference input 'count' data-type is 'INT32', but model 'any' expects 'INT64'",
    ],
    [changed(1, { shape: [2, 1] }), "unexpected shape for input 'count' for model 'any'. Expected [-1], got [2,1]"],
    [changed(1, { shape: [3] }), "input byte size mismatch for input 'count' for model 'any'. Expected 24, got 16"],
    [changed(1, { shape: [-2] }), 'must be of sizes of 0 or more'],
    [
      { inputs: [two.inputs[0]], rawInputContents: [two.rawInputContents[0]] },
      "expected 3 inputs but got 1 inputs for model 'any'. Got input(s) ['half'], but missing required input(s) ['count','keep']. Please provide all required input(s).",
    ],
    [
      { ...two, outputs: [{ name: 'x' }] },
      "unexpected inference output 'x' for model 'any'; its outputs are total, kept",
    ],
  ])('that is wrong is told what is right: %#', async (request, message) => {
    await expect(setUpTensors().infer(request)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining(message),
    });
  });

  it('is refused where its inputs are larger than a worker takes', async () => {
    const large = [20, 20, 20];
    const inputs = two.inputs.map((input, i) => ({ ...input, shape: [large[i]!] }));
    const rawInputContents = [Buffer.alloc(40), Buffer.alloc(160), Buffer.alloc(20)];
    await expect(setUpTensors().infer({ inputs, rawInputContents })).rejects.toMatchObject({
      code: 'resource-exhausted',
      message: 'the inputs have 220 bytes, at most 100 are taken',
    });
  });
});

describe('while a version is tried', () => {
  it('a request falls to it by its id, or by lot where it has none', async () => {
    const byId = setUpTensors(tried(50));
    for (let i = 0; i < 200; i++) await byId.infer({ ...two, id: `id-${i}` });
    const theirs = byId.log.kept.filter(({ prediction }) => prediction.modelVersion === '2').length;
    expect(theirs).toBeGreaterThan(60);
    expect(theirs).toBeLessThan(140);
    const lots = [0.49, 0.51];
    const byLot = setUpTensors(tried(50), () => lots.shift()!);
    await byLot.infer({ ...two, id: '' });
    await byLot.infer({ ...two, id: '' });
    expect(byLot.log.kept.map(({ prediction }) => prediction.arm)).toEqual(['canary', 'live']);
  });

  it('the live version answers where it fails, and the failure is noted', async () => {
    const { infer, runner, log } = setUpTensors(tried(100));
    runner.errors.set('2', away);
    expect((await infer(two)).modelVersion).toBe('1');
    expect(log.failures).toMatchObject([{ arm: 'canary', modelVersion: '2', code: 'unavailable', rolloutId: 'r' }]);
  });

  it('it is shown what the live version answered, in a queue that is bounded', async () => {
    const { infer, log, mirror } = setUpTensors(tried(0, true));
    await Promise.all([infer(two), infer(two), infer(two)]);
    await turn();
    await mirror.stop(1_000);
    expect(log.shadows).toHaveLength(2);
    expect(log.shadows[0]).toMatchObject({ primaryId: 'id-0', modelVersion: '2', outputs: [2, 10] });
    expect(log.unmirrored).toMatchObject([{ reason: 'queue-full', rows: 1 }]);
  });

  it('it is shown nothing while the gateway sheds callers, and that is counted', async () => {
    const { infer, log, mirror, runner } = setUpTensors(
      tried(0, true),
      () => 0,
      () => true,
    );
    await infer(two);
    await mirror.stop(1_000);
    expect(runner.runs.map(({ lane }) => lane)).not.toContain('shadow');
    expect(log.unmirrored).toMatchObject([{ reason: 'overload', rows: 1, rolloutId: 'r', rolloutStep: 1 }]);
  });

  it('what waits when the gateway stops is shown for a while, and what is left is counted once', async () => {
    const { infer, log, mirror, runner } = setUpTensors(tried(0, true));
    runner.hanging.add('2');
    await infer(two);
    await infer(two);
    await mirror.stop(20);
    await infer(two);
    expect(log.shadows).toEqual([]);
    expect(log.unmirrored.map(({ reason }) => reason)).toEqual(['shutdown', 'shutdown', 'shutdown']);
  });

  it('what is wrong with the request is no failure of anybody', async () => {
    const { infer, runner, log } = setUpTensors(tried(100));
    for (const version of ['1', '2']) runner.errors.set(version, new MillraceError('invalid-argument', 'bad shape'));
    await expect(infer(two)).rejects.toThrow('bad shape');
    expect(log.failures).toEqual([]);
  });

  it("a candidate that refuses as the caller's fault what the live version answers has failed, and the caller is answered", async () => {
    const { infer, runner, log } = setUpTensors(tried(100));
    runner.errors.set('2', new MillraceError('invalid-argument', 'bad shape'));
    expect((await infer(two)).modelVersion).toBe('1');
    expect(log.failures).toMatchObject([
      { arm: 'canary', modelVersion: '2', code: 'invalid-argument', rolloutId: 'r' },
    ]);
  });
});

it("metadata and configuration are the model's own", () => {
  expect(modelMetadata(anyEndpoint)).toMatchObject({
    inputs: [{ name: 'half', datatype: 'FP16', shape: [-1] }, { name: 'count' }, { name: 'keep' }],
    outputs: [{ name: 'total' }, { name: 'kept' }],
  });
  expect(modelConfig(anyEndpoint)).toMatchObject({ maxBatchSize: 0, input: [{ dims: [-1] }, {}, {}] });
});
