import { describe, expect, it } from '@jest/globals';
import { ModelVersion, Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { GuardrailsSpec } from '#libs/definitions/definition-kinds.js';
import { guardrailsOf, judgeRollout } from './judge-rollout.js';
import type { RolloutStatistics, StepCounts } from './rollout-statistics.js';

const shadowThenCanary = [
  { kind: 'shadow', percent: 0, predictions: 1_000 },
  { kind: 'canary', percent: 10, predictions: 500 },
];
const rollout = (step = 0, steps = shadowThenCanary): Rollout =>
  Rollout.fromPartial({
    rolloutId: 'r1',
    endpoint: 'e',
    model: 'm',
    generation: 7,
    candidate: { version: '2' },
    baseline: { version: '1' },
    steps,
    step,
    state: steps[step]!.kind,
  });
const arm = (step: number, name: StepCounts['arm'], answered: number, failed = 0): StepCounts => ({
  step,
  arm: name,
  answered,
  failed,
});
const none = { n: 0, mean: 0, variance: 0 };
const nothing: RolloutStatistics = {
  steps: [],
  pairs: none,
  canaryLoss: none,
  liveLoss: none,
  latency: { liveP99Us: Number.NaN, canaryRows: 0, canarySlowRows: 0 },
};
const all: GuardrailsSpec = {
  alpha: 0.06,
  errors: { margin: 0.01 },
  latencyP99: { ratio: 1.5 },
  logloss: { margin: 0.02 },
};
const judge = (step: number, guardrails: GuardrailsSpec, statistics: Partial<RolloutStatistics>) =>
  judgeRollout(rollout(step), guardrails, { ...nothing, ...statistics }, 1_234);

const goodShadow = [arm(0, 'live', 4_000), arm(0, 'shadow', 4_000)];
const goodPairs = { n: 3_000, mean: -0.01, variance: 0.04 };

describe('a rollout', () => {
  it('has no data before the candidate was asked anything, and is named with what it was judged by', () => {
    expect(judge(0, all, {})).toMatchObject({
      rolloutId: 'r1',
      generation: 7,
      candidateVersion: '2',
      baselineVersion: '1',
      outcome: 'no-data',
      neededPredictions: 1_000,
      judgedMs: 1_234,
    });
    expect(judge(0, all, { steps: [arm(0, 'live', 500)] }).outcome).toBe('no-data');
  });

  it('shares alpha equally over the guardrails that are defined', () => {
    expect(judge(0, all, {}).evidence.map(({ guardrail, alpha }) => [guardrail, alpha])).toEqual([
      ['errors', 0.02],
      ['latencyP99', 0.02],
      ['logloss', 0.02],
    ]);
    expect(judge(0, { alpha: 0.06, logloss: { margin: 0.02 } }, {}).evidence).toMatchObject([{ alpha: 0.06 }]);
  });

  it('passes a shadow step on errors and pairs, though nobody has waited for its answers', () => {
    const judgement = judge(0, all, { steps: goodShadow, pairs: goodPairs });
    expect(judgement.evidence.map(({ outcome }) => outcome)).toEqual(['pass', 'no-data', 'pass']);
    expect(judgement).toMatchObject({ outcome: 'pass', stepPredictions: 4_000 });
    expect(judgement.evidence[2]).toMatchObject({ method: 'paired-asymptotic', candidateRows: 3_000, margin: 0.02 });
  });

  it('of a tensor model passes on errors alone, and says that what it answers was not judged', () => {
    const tensors = { ...rollout(0), candidate: ModelVersion.fromPartial({ version: '2', task: 'tensors' }) };
    const guardrails = { alpha: 0.05, errors: { margin: 0.01 } };
    const judgement = judgeRollout(tensors, guardrails, { ...nothing, steps: goodShadow }, 1);
    expect(judgement).toMatchObject({
      outcome: 'pass',
      reason:
        '4000 predictions of 1000 in this step; errors within the margin; what it answers is not judged, for a model of task tensors has no label',
    });
    expect(judge(0, guardrails, { steps: goodShadow }).reason).not.toContain('not judged');
  });

  it('does not pass a canary step before latency is known', () => {
    const steps = [...goodShadow, arm(1, 'live', 9_000), arm(1, 'canary', 1_000)];
    const unknown = judge(1, all, { steps, pairs: goodPairs });
    expect(unknown).toMatchObject({ outcome: 'not-yet', reason: expect.stringMatching(/^latencyP99: 0 rows/) });
    const latency = { liveP99Us: 3_100, canaryRows: 1_000, canarySlowRows: 0 };
    expect(judge(1, all, { steps, pairs: goodPairs, latency }).outcome).toBe('pass');
    const slow = judge(1, all, { steps, pairs: goodPairs, latency: { ...latency, canarySlowRows: 60 } });
    expect(slow).toMatchObject({
      outcome: 'fail',
      reason: expect.stringContaining('1.5 times the live p99 of 3.10 ms'),
    });
  });

  it('does not pass before the step has its predictions: those of earlier steps are evidence, and no count', () => {
    const latency = { liveP99Us: 3_100, canaryRows: 499, canarySlowRows: 0 };
    const steps = [...goodShadow, arm(1, 'live', 9_000), arm(1, 'canary', 499)];
    expect(judge(1, { alpha: 0.05, errors: { margin: 0.01 } }, { steps, latency })).toMatchObject({
      outcome: 'not-yet',
      reason: expect.stringContaining('499 predictions of 500'),
    });
    expect(judge(1, { alpha: 0.05 }, { steps: [arm(1, 'canary', 500)] }).outcome).toBe('pass');
    expect(judge(1, { alpha: 0.05 }, { steps: [arm(1, 'canary', 499)] }).outcome).toBe('not-yet');
  });

  it('fails on any guardrail, before the step has its predictions, and says the number beside its threshold', () => {
    const worse = judge(0, all, {
      steps: [arm(0, 'live', 400), arm(0, 'shadow', 400)],
      pairs: { n: 400, mean: 0.08, variance: 0.04 },
    });
    expect(worse.outcome).toBe('fail');
    expect(worse.reason).toMatch(
      /^logloss: the mean log-loss is 0\.0800 worse \(between 0\.0\d+ and 0\.1\d+\): surely above 0$/,
    );
    const failing = judge(1, all, {
      steps: [...goodShadow, arm(1, 'live', 9_000, 20), arm(1, 'canary', 900, 60)],
      pairs: goodPairs,
    });
    expect(failing).toMatchObject({ outcome: 'fail', reason: expect.stringMatching(/^errors: .* % worse/) });
  });

  it('counts the failures of shadows and canaries as the candidate’s', () => {
    const steps = [
      arm(0, 'live', 1_000, 3),
      arm(0, 'shadow', 990, 10),
      arm(1, 'live', 900, 2),
      arm(1, 'canary', 95, 5),
    ];
    expect(judge(1, all, { steps }).evidence[0]).toMatchObject({ candidateRows: 1_100, baselineRows: 1_905 });
  });

  it('compares labelled canary rows with live ones where nothing was mirrored', () => {
    const steps = [{ kind: 'canary', percent: 10, predictions: 500 }];
    const statistics = {
      ...nothing,
      steps: [arm(0, 'live', 9_000), arm(0, 'canary', 1_000)],
      canaryLoss: { n: 900, mean: 0.6, variance: 0.3 },
      liveLoss: { n: 8_000, mean: 0.4, variance: 0.3 },
    };
    const judgement = judgeRollout(rollout(0, steps), { alpha: 0.05, logloss: { margin: 0.02 } }, statistics, 1);
    expect(judgement.outcome).toBe('fail');
    expect(judgement.evidence[0]).toMatchObject({ method: 'two-sample-asymptotic', baselineRows: 8_000 });
    const few = { ...statistics, canaryLoss: { n: 49, mean: 9, variance: 0.3 } };
    expect(judgeRollout(rollout(0, steps), { alpha: 0.05, logloss: { margin: 0.02 } }, few, 1)).toMatchObject({
      outcome: 'not-yet',
      reason: expect.stringContaining('50 labelled rows of each version are needed'),
    });
  });
});

it('guardrails that cannot be read are named', () => {
  const of = (text: string) =>
    guardrailsOf(Rollout.fromPartial({ rolloutId: 'r1', guardrailsJson: Buffer.from(text) }));
  expect(of('{"alpha":0.05}')).toEqual({ alpha: 0.05 });
  expect(() => of('{')).toThrow('rollout r1: guardrails_json { is no JSON');
  expect(() => of('{"alpha":2}')).toThrow('no alpha between 0 and 0.5');
});
