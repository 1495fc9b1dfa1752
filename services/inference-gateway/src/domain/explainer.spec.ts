import { describe, expect, it } from '@jest/globals';
import type { ModelInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { candidateVersion, flights, plan, setUp, text, version } from '../../test/fakes.js';
import { endpointOf } from './arms.js';
import { modelMetadata } from './model-metadata.js';

const explainable = { ...version, backgroundSha256: 'rows' };
const live = endpointOf(plan, explainable);
const explain = { parameters: { explain: { parameterChoice: { $case: 'boolParam', boolParam: true } } } };
const named = (...names: string[]) => ({ outputs: names.map((name) => ({ name, parameters: {} })) });

function outputsOf({ outputs, rawOutputContents }: ModelInferResponse): Record<string, unknown> {
  return Object.fromEntries(
    outputs.map(({ name, datatype }, i) => {
      const raw = rawOutputContents[i]!;
      const list: unknown[] = [];
      const step = datatype === 'FP64' ? 8 : 4;
      for (let at = 0; at < raw.length; at += step) {
        if (datatype === 'FP64') list.push(raw.readDoubleLE(at));
        else if (datatype === 'FP32') list.push(raw.readFloatLE(at));
        else list.push(raw.toString('utf8', at + 4, (at += raw.readUInt32LE(at)) + 4));
      }
      return [name, list];
    }),
  );
}

describe('an explained request', () => {
  it('is answered as always, with contributions, base values, names and method behind; the log knows', async () => {
    const { infer, runner, log } = setUp(live);
    const response = await infer({ ...flights('x', 'y'), ...explain });
    expect(response.outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ['probability', 'FP32', [2]],
      ['prediction_id', 'BYTES', [2]],
      ['contributions', 'FP64', [2, 2]],
      ['base_value', 'FP64', [2]],
      ['contribution_names', 'BYTES', [2]],
      ['explained_by', 'BYTES', [2]],
    ]);
    expect(outputsOf(response)).toMatchObject({
      contributions: [10, 0, 20, 0],
      base_value: [0.25, 0.25],
      contribution_names: ['f', 'g'],
      explained_by: ['tree-shap', 'tree-shap'],
    });
    expect(runner.explained).toMatchObject([{ onnxSha256: 'a', backgroundSha256: 'rows', rows: 2 }]);
    expect(log.kept.map(({ prediction }) => prediction.explained)).toEqual([true, true]);
  });

  it('may name the outputs instead, and has those alone, in that order', async () => {
    const { infer } = setUp(live);
    const order = ['base_value', 'probability', 'contributions'];
    const response = await infer({ ...flights('x'), ...named(...order) });
    expect(response.outputs.map(({ name }) => name)).toEqual(order);
    const alone = await infer({ ...flights('x'), ...named('contributions') });
    expect(outputsOf(alone)).toEqual({ contributions: [10, 0] });
    const both = await infer({ ...flights('x'), ...named('probability'), ...explain });
    expect(both.outputs.map(({ name }) => name)).toEqual([
      'probability',
      'contributions',
      'base_value',
      'contribution_names',
      'explained_by',
    ]);
  });

  it('costs nobody else anything: what is not asked for is neither computed, answered, listed nor logged', async () => {
    const { infer, runner, log } = setUp(live);
    const no = { parameters: { explain: { parameterChoice: { $case: 'boolParam', boolParam: false } } } };
    for (const more of [{}, named('probability'), no]) {
      const response = await infer({ ...flights('x'), ...more });
      expect(response.outputs.some(({ datatype }) => datatype === 'FP64')).toBe(false);
    }
    expect(runner.explained).toEqual([]);
    expect(log.kept.some(({ prediction }) => prediction.explained)).toBe(false);
    expect(modelMetadata(live).outputs.map(({ name }) => name)).toEqual(['probability', 'prediction_id']);
  });

  it('has each row explained by the version that answered it, over the features that either reads', async () => {
    const other = { ...candidateVersion, features: ['f'], backgroundSha256: 'others' };
    const whole = { ...explainable, features: ['g'] };
    const endpoint = endpointOf(plan, whole, { version: other, rolloutId: 'r', step: 1, percent: 50, mirror: false });
    const { infer, runner } = setUp(endpoint);
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const response = await infer({ ...flights(...ids), ...explain });
    const found = outputsOf(response) as Record<string, number[]> & { model_version: string[]; explained_by: string[] };
    const isTheirs = found.model_version.map((one) => one === '4');
    expect(new Set(isTheirs).size).toBe(2);
    expect(found['contribution_names']).toEqual(['f', 'g']);
    // The live version reads g alone, which is missing; the candidate f, which is the minute.
    expect(found['contributions']).toEqual(isTheirs.flatMap((theirs, i) => [theirs ? (i + 1) * 10 : 0, 0]));
    expect(found['base_value']).toEqual(isTheirs.map((theirs) => (theirs ? 0.75 : 0.25)));
    expect(found['explained_by']).toEqual(isTheirs.map((theirs) => (theirs ? 'permutation-shap' : 'tree-shap')));
    expect(runner.explained.map(({ backgroundSha256 }) => backgroundSha256).sort()).toEqual(['others', 'rows']);
  });

  it('may give the vector whole', async () => {
    const { infer, runner } = setUp(live);
    const features = { name: 'features', datatype: 'FP32', shape: [1, 2], contents: { fp32Contents: [50, 1] } };
    const response = await infer({ inputs: [features, text('flight_id', 'x')], ...explain });
    expect(outputsOf(response)).toMatchObject({ contributions: [50, 1] });
    expect([...runner.explained[0]!.input]).toEqual([50, 1]);
  });

  it('is refused where it has too many rows, or a version has no background, before anything is scored', async () => {
    const { infer, runner } = setUp(live);
    const ids = Array.from({ length: 101 }, (_, i) => String(i));
    const many = infer({ ...flights(...ids), ...explain });
    await expect(many).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/101 rows.*100/),
    });
    const without = setUp();
    await expect(without.infer({ ...flights('x'), ...explain })).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/version 3 of model late.*without background.*train a new version/),
    });
    expect([...runner.runs, ...without.runner.runs]).toEqual([]);
  });

  it('is not answered at all where it cannot be explained', async () => {
    const { infer, runner, log } = setUp(live);
    runner.special.set('explain', () => Promise.reject(new MillraceError('resource-exhausted', 'too many wait')));
    await expect(infer({ ...flights('x'), ...explain })).rejects.toMatchObject({ code: 'resource-exhausted' });
    expect([log.kept, log.failures]).toEqual([[], []]);
    const falling = setUp(endpointOf({ ...plan, fallbackPrediction: 0.5 }, explainable));
    falling.runner.error = new MillraceError('unavailable', 'away');
    await expect(falling.infer({ ...flights('x'), ...explain })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('the declared fallback answers'),
    });
  });

  it('says what is wrong with the parameter', async () => {
    const { infer } = setUp(live);
    const parameters = { explain: { parameterChoice: { $case: 'stringParam', stringParam: 'yes' } } };
    await expect(infer({ ...flights('x'), parameters })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: `parameter 'explain' is "yes", expected true or false`,
    });
  });
});
