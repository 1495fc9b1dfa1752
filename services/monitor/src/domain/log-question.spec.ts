import { describe, expect, it } from '@jest/globals';
import { ListPredictionsRequest } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { questionOf } from './log-question.js';

const ask = (request: Partial<ListPredictionsRequest>) => questionOf(ListPredictionsRequest.fromPartial(request));

describe('a question to the prediction log', () => {
  it('without filters is the newest 50 of all, whatever their score', () => {
    expect(ask({})).toMatchObject({ endpoint: '', from: 0, to: 0, anyScore: true, limit: 50, beforeId: '' });
  });

  it('takes scores up to 1 where the largest is not named', () => {
    expect(ask({ minScore: 0.5 })).toMatchObject({ anyScore: false, minScore: 0.5, maxScore: 1 });
    expect(ask({ minScore: -3, maxScore: -1 })).toMatchObject({ anyScore: false, minScore: -3, maxScore: -1 });
  });

  it('is refused with the field, its value and what would be right', () => {
    const wrong: [Partial<ListPredictionsRequest>, RegExp][] = [
      [{ arm: 'shadow' }, /^arm: "shadow" is none of live, canary/],
      [{ label: 'maybe' }, /^label: "maybe" is none of known, missing/],
      [{ fromMs: -1 }, /^from_ms: -1 is not epoch milliseconds/],
      [{ toMs: 1e14 }, /^to_ms: 100000000000000 is not/],
      [{ fromMs: 5, toMs: 5 }, /^from_ms: 5 is not before to_ms 5/],
      [{ minScore: Number.NaN }, /^min_score: NaN is not a number/],
      [{ maxScore: Infinity }, /^max_score: Infinity/],
      [{ minScore: 2 }, /^min_score: 2 is more than max_score 1/],
      [{ limit: 1_001 }, /^limit: 1001, at most 1000/],
      [{ joinKey: 'k'.repeat(257) }, /^join_key: 257 characters, at most 256/],
      [{ before: 'nonsense' }, /^before: "nonsense" is not/],
    ];
    for (const [request, message] of wrong)
      expect(() => ask(request)).toThrow(
        expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
      );
  });
});
