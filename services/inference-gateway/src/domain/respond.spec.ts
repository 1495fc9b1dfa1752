import { describe, expect, it } from '@jest/globals';
import { flights, setUp, withCandidate } from '../../test/fakes.js';
import { decodeStrings } from '../../test/decode.js';

const requested = (name: string, classification?: unknown) => ({
  name,
  parameters:
    classification === undefined
      ? {}
      : { classification: { parameterChoice: { $case: 'int64Param', int64Param: classification } } },
});

describe('requested outputs', () => {
  it('are answered alone, in the order that was asked', async () => {
    const { infer } = setUp();
    const outputs = [requested('model_version'), requested('probability')];
    const response = await infer({ ...flights('x', 'y'), outputs });
    expect(response.outputs.map(({ name }) => name)).toEqual(['model_version', 'probability']);
    expect(decodeStrings(response.rawOutputContents[0]!)).toEqual(['3', '3']);
  });

  it('as classes: the most probable first, at most as many as there are', async () => {
    const { infer } = setUp();
    for (const [asked, expected] of [
      [1, ['0.900000:0', '0.800000:0']],
      [9, ['0.900000:0', '0.100000:1', '0.800000:0', '0.200000:1']],
    ] as const) {
      const { outputs, rawOutputContents } = await infer({
        ...flights('x', 'y'),
        outputs: [requested('probability', asked)],
      });
      expect(outputs[0]).toMatchObject({ datatype: 'BYTES', shape: [2, Math.min(asked, 2)] });
      expect(decodeStrings(rawOutputContents[0]!)).toEqual(expected);
    }
  });

  it.each([
    [[requested('prob')], /unexpected inference output 'prob' for model 'late'; its outputs are probability, pred/],
    [[requested('probability'), requested('probability')], /output 'probability' is requested twice/],
    [[requested('prediction_id', 1)], /classification is of 'probability' alone/],
    [[requested('probability', 0)], /'classification' is 0, expected how many classes, 1 or more/],
  ])('%j is refused', async (outputs, message) => {
    await expect(setUp().infer({ ...flights('x'), outputs })).rejects.toThrow(message);
  });

  it('of rows that two versions answered say which answered which, where it is asked or all is', async () => {
    const { infer } = setUp(withCandidate({ percent: 50 }));
    const many = flights(...Array.from({ length: 10 }, (_, i) => `flight-${i}`));
    const all = await infer(many);
    expect(all.outputs.map(({ name }) => name)).toEqual(['probability', 'prediction_id', 'model_version']);
    const one = await infer({ ...many, outputs: [requested('probability')] });
    expect(one.outputs.map(({ name }) => name)).toEqual(['probability']);
  });
});
