import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { ModelVersion, type Rollout, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { EndpointSpec, RolloutStepSpec } from '#libs/definitions/definition-kinds.js';
import {
  isUnderWay,
  moveRollout,
  onDecision,
  onJudgement,
  type Mover,
  startRollout,
  supersede,
} from './rollout-machine.js';
import { routeOf } from './rollout-route.js';

const shadow: RolloutStepSpec = { kind: 'shadow', percent: 0, predictions: 100 };
const canary = (percent: number): RolloutStepSpec => ({ kind: 'canary', percent, predictions: 100 });
const version = (number: string): ModelVersion => ModelVersion.fromPartial({ model: 'm', version: number });
const somebody: Mover = { by: 'ann', cause: 'because', atMs: 7 };

function begin(
  steps: readonly RolloutStepSpec[],
  fromStep = 0,
  baseline: ModelVersion | undefined = version('1'),
): Rollout {
  const endpoint: EndpointSpec = {
    name: 'e',
    model: 'm',
    log: { features: true },
    rollout: steps,
    guardrails: { alpha: 0.05, errors: { margin: 0.01 } },
  };
  return startRollout({ rolloutId: 'r', endpoint, candidate: version('2'), baseline, fromStep }, somebody);
}

function verdict(rollout: Rollout, outcome: string, change: Partial<Judgement> = {}): Judgement {
  const { rolloutId, generation, step } = rollout;
  return Judgement.fromPartial({ rolloutId, generation, step, outcome, reason: `it is ${outcome}`, ...change });
}

const judge = (rollout: Rollout, judgement: Judgement): Rollout | undefined =>
  onJudgement(rollout, judgement, Judgement.encode(judgement).finish(), 9);
const failure = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('a rollout', () => {
  it('goes step by step to live, and every move has its cause, its mover and the judgement it rests on', () => {
    let rollout = begin([shadow, canary(5), canary(50)]);
    const states = [rollout.state];
    while (isUnderWay(rollout)) {
      rollout = judge(rollout, verdict(rollout, 'pass'))!;
      states.push(rollout.state);
    }
    expect(states).toEqual(['shadow', 'canary', 'canary', 'live']);
    expect(rollout.moves.map(({ from, to, step, movedBy, movedMs }) => [from, to, step, movedBy, movedMs])).toEqual([
      ['', 'shadow', 0, 'ann', 7],
      ['shadow', 'canary', 1, 'judge', 9],
      ['canary', 'canary', 2, 'judge', 9],
      ['canary', 'live', 2, 'judge', 9],
    ]);
    expect(rollout.moves.map(({ judgement }) => Judgement.decode(judgement).generation)).toEqual([0, 1, 2, 3]);
    expect(rollout.moves[1]!.cause).toBe('it is pass');
  });

  it('is aborted by a verdict of fail, and moved by no other', () => {
    const rollout = begin([canary(5)]);
    expect(judge(rollout, verdict(rollout, 'fail'))).toMatchObject({ state: 'aborted', generation: 2 });
    for (const outcome of ['not-yet', 'no-data', '', 'PASS'])
      expect(judge(rollout, verdict(rollout, outcome))).toBeUndefined();
  });

  it('is moved by no judgement of another rollout, generation or step', () => {
    const rollout = begin([shadow, canary(5)]);
    for (const change of [{ rolloutId: 'other' }, { generation: 0 }, { generation: 2 }, { step: 1 }])
      for (const outcome of ['pass', 'fail']) expect(judge(rollout, verdict(rollout, outcome, change))).toBeUndefined();
  });

  it('goes live at once where nothing is live yet or no steps are defined', () => {
    for (const rollout of [begin([]), startWithoutBaseline(), begin([], 3)])
      expect(rollout).toMatchObject({ state: 'live', step: 0, generation: 1, moves: [{ from: '', to: 'live' }] });
  });

  it('begins at the step that somebody vouches for, and says so in its cause', () => {
    const rollout = begin([shadow, canary(5)], 1);
    expect(rollout).toMatchObject({ state: 'canary', step: 1, cause: 'because (from step 1)' });
    expect(failure(() => begin([shadow, canary(5)], 2))).toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/from_step: 2; endpoint e has the steps 0 to 1/),
    });
  });

  it('refuses a move that its state does not have, and says which it has', () => {
    const paused = moveRollout(begin([shadow]), 'pause', somebody);
    expect(failure(() => moveRollout(paused, 'promote', somebody))).toMatchObject({
      code: 'failed-precondition',
      message: 'promote: rollout r of e is paused; in it one can resume, abort',
    });
    expect(failure(() => moveRollout(begin([]), 'abort', somebody))).toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/is live; it has ended/),
    });
    expect(failure(() => moveRollout(paused, 'jump', somebody))).toMatchObject({ code: 'invalid-argument' });
  });

  it('goes back to the step it was paused in', () => {
    const rollout = moveRollout(begin([shadow, canary(5)]), 'promote', somebody);
    const paused = moveRollout(rollout, 'pause', somebody);
    expect(paused).toMatchObject({ state: 'paused', pausedFrom: 'canary', step: 1 });
    expect(judge(paused, verdict(paused, 'pass'))).toBeUndefined();
    expect(moveRollout(paused, 'resume', somebody)).toMatchObject({ state: 'canary', pausedFrom: '', step: 1 });
  });
});

function startWithoutBaseline(): Rollout {
  const endpoint: EndpointSpec = {
    name: 'e',
    model: 'm',
    log: { features: true },
    rollout: [shadow],
    guardrails: { alpha: 0.05 },
  };
  return startRollout(
    { rolloutId: 'r', endpoint, candidate: version('2'), baseline: undefined, fromStep: 0 },
    somebody,
  );
}

const need = {
  digest: 'd'.repeat(64),
  json: Buffer.from('{}'),
  rule: { policies: ['p'], roles: ['risk'], quorum: 1, notRequester: true },
};

/** Waits for an approval, where it would have begun at `fromStep`. */
function pending(steps: readonly RolloutStepSpec[], fromStep = 0, baseline: ModelVersion | undefined = version('1')) {
  const of = begin(steps, fromStep, baseline);
  const endpoint = { name: 'e', model: 'm', log: { features: true }, rollout: steps, guardrails: { alpha: 0.05 } };
  const start = { rolloutId: 'r', endpoint, candidate: of.candidate!, baseline, fromStep, approval: need };
  return startRollout(start, somebody);
}

const decision = (change: Partial<ApprovalDecided> = {}): ApprovalDecided =>
  ApprovalDecided.fromPartial({
    subject: 'rollouts/r',
    digest: need.digest,
    approved: true,
    votes: [{ voter: 'bo', roles: ['risk'], approve: true, comment: 'fine', atMs: 8 }],
    decidedMs: 8,
    ...change,
  });

describe('a rollout that a policy asks an approval for', () => {
  it('is pending, shown to nobody, and moved by neither verdict nor promotion', () => {
    const rollout = pending([shadow, canary(5)]);
    expect(rollout).toMatchObject({ state: 'pending', step: 0, generation: 1, approvalDigest: need.digest });
    const route = Route.fromPartial({ endpoint: 'e', model: 'm', generation: 1, live: version('1') });
    expect(routeOf(route, rollout, 5)).toMatchObject({ live: { version: '1' }, candidate: undefined });
    for (const outcome of ['pass', 'fail']) expect(judge(rollout, verdict(rollout, outcome))).toBeUndefined();
    expect(failure(() => moveRollout(rollout, 'promote', somebody))).toMatchObject({
      code: 'failed-precondition',
      message: 'promote: rollout r of e is pending and waits for approval dddddddddddd; in it one can abort',
    });
    expect(moveRollout(rollout, 'abort', somebody)).toMatchObject({ state: 'aborted' });
    expect(supersede(rollout, somebody)).toMatchObject({ state: 'superseded' });
  });

  it('begins where it would have begun once it is approved, live at once included', () => {
    const cause = 'approved by bo: fine';
    expect(onDecision(pending([shadow, canary(5)]), decision(), undefined, 9)).toMatchObject({
      state: 'shadow',
      generation: 2,
      moves: [{ to: 'pending' }, { from: 'pending', to: 'shadow', step: 0, cause, movedBy: 'bo', movedMs: 9 }],
    });
    expect(onDecision(pending([shadow, canary(5)], 1), decision(), undefined, 9)).toMatchObject({
      state: 'canary',
      step: 1,
    });
    expect(onDecision(pending([]), decision(), undefined, 9)).toMatchObject({ state: 'live', step: 0 });
    const first = { ...pending([shadow], 0), baseline: undefined };
    const live = onDecision(first, decision(), undefined, 9)!;
    expect(live).toMatchObject({ state: 'live', step: 0 });
    const nothing = Route.fromPartial({ endpoint: 'e', model: 'm', generation: 1 });
    expect(routeOf(nothing, first, 5).live).toBeUndefined();
    expect(routeOf(nothing, live, 5).live?.version).toBe('2');
  });

  it('is aborted with who rejected it, or why it cannot be served any more', () => {
    const votes = [{ voter: 'eve', roles: ['risk'], approve: false, comment: 'x'.repeat(2_000), atMs: 8 }];
    const rejected = onDecision(pending([shadow]), decision({ approved: false, votes }), undefined, 9)!;
    expect(rejected).toMatchObject({ state: 'aborted', moves: [{}, { movedBy: 'eve' }] });
    expect(rejected.moves[1]!.cause).toMatch(/^rejected by eve: x{900}/);
    expect(rejected.moves[1]!.cause).toHaveLength(1_000);
    expect(onDecision(pending([shadow]), decision(), 'the features changed', 9)?.moves[1]).toMatchObject({
      to: 'aborted',
      cause: 'approved by bo: fine; meanwhile the features changed',
    });
  });

  it('is moved by no decision on another rollout or digest, and once by one that comes twice', () => {
    const rollout = pending([shadow]);
    for (const other of [{ subject: 'rollouts/other' }, { subject: 'r' }, { digest: 'e'.repeat(64) }, { digest: '' }])
      expect(onDecision(rollout, decision(other), undefined, 9)).toBeUndefined();
    const begun = onDecision(rollout, decision(), undefined, 9)!;
    expect(onDecision(begun, decision(), undefined, 9)).toBeUndefined();
    expect(onDecision(begun, decision({ approved: false }), undefined, 9)).toBeUndefined();
    expect(onDecision(begin([shadow]), decision({ digest: '' }), undefined, 9)).toBeUndefined();
  });
});

type Act =
  | { readonly kind: 'judge'; readonly outcome: string; readonly age: number }
  | { readonly kind: 'move'; readonly action: string };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant('judge' as const),
    outcome: fc.constantFrom('pass', 'pass', 'fail', 'not-yet'),
    age: fc.nat(2),
  }),
  fc.record({
    kind: fc.constant('move' as const),
    action: fc.constantFrom('promote', 'pause', 'resume', 'abort', 'supersede'),
  }),
);

/** What is sent to it; a refusal leaves it as it is. Judgements are of a rollout up to `age` moves ago, as a redelivery is. */
function perform(history: readonly Rollout[], one: Act): Rollout | undefined {
  const rollout = history.at(-1)!;
  if (one.kind === 'judge') return judge(rollout, verdict(history.at(-1 - one.age) ?? rollout, one.outcome));
  if (one.action === 'supersede') return isUnderWay(rollout) ? supersede(rollout, somebody) : undefined;
  const result = failure(() => moveRollout(rollout, one.action, somebody));
  return result instanceof Error ? undefined : (result as Rollout);
}

describe('whatever comes, in whatever order', () => {
  const steps = fc.tuple(
    fc.boolean(),
    fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 }),
  );
  const stepsOf = ([first, percents]: [boolean, number[]]): RolloutStepSpec[] => [
    ...(first ? [shadow] : []),
    ...percents.toSorted((a, b) => a - b).map(canary),
  ];

  it('a rollout takes at most one step a move, keeps every move, and stays where it ended', () => {
    fc.assert(
      fc.property(steps, fc.array(act, { maxLength: 25 }), (drawn, acts) => {
        const history = [begin(stepsOf(drawn))];
        for (const one of acts) {
          const before = history.at(-1)!;
          const after = perform(history, one);
          if (after === undefined) continue;
          expect(isUnderWay(before)).toBe(true);
          expect(after.generation).toBe(before.generation + 1);
          expect(after.moves).toHaveLength(after.generation);
          expect(after.moves.slice(0, -1)).toEqual(before.moves);
          expect(after.moves.at(-1)).toMatchObject({ from: before.state, to: after.state, step: after.step });
          expect(after.step - before.step).toBeGreaterThanOrEqual(0);
          expect(after.step - before.step).toBeLessThanOrEqual(1);
          if (after.state === 'shadow' || after.state === 'canary')
            expect(after.steps[after.step]!.kind).toBe(after.state);
          if (after.state === 'live') expect(after.step).toBe(after.steps.length - 1);
          if (one.kind === 'judge') expect(history.at(-1 - one.age) ?? before).toBe(before);
          history.push(after);
        }
      }),
      { numRuns: 1_000, seed: 20_010_409 },
    );
  });

  it('the route shows the candidate only in a step, never loses what is live, and a share only grows', () => {
    fc.assert(
      fc.property(steps, fc.array(act, { maxLength: 25 }), (drawn, acts) => {
        const history = [begin(stepsOf(drawn))];
        let route = Route.fromPartial({ endpoint: 'e', model: 'm', generation: 1, live: version('1') });
        let percent = 0;
        for (const one of [undefined, ...acts]) {
          const after = one === undefined ? history[0]! : perform(history, one);
          if (after === undefined) continue;
          const before = route;
          route = routeOf(before, after, 5);
          const answers = after.state === 'shadow' || after.state === 'canary';
          expect(route.candidate !== undefined).toBe(answers);
          expect(route.live?.version).toBe(after.state === 'live' ? '2' : '1');
          expect(route.previous?.version).toBe(after.state === 'live' ? '1' : undefined);
          expect(route.generation).toBe(before.generation + 1);
          if (route.candidate !== undefined) {
            expect(route.candidate.percent).toBeGreaterThanOrEqual(percent);
            expect(route.candidate.percent === 0).toBe(after.state === 'shadow');
            expect(route.candidate).toMatchObject({ rolloutId: 'r', step: after.step, mirror: drawn[0] });
            percent = route.candidate.percent;
          }
          if (one !== undefined) history.push(after);
        }
      }),
      { numRuns: 1_000, seed: 20_010_410 },
    );
  });
});

describe('the route of a rollout', () => {
  const live = Route.fromPartial({
    endpoint: 'e',
    model: 'm',
    generation: 4,
    live: version('1'),
    previous: version('0'),
  });

  it('shows a canary no mirrored requests when the rollout began after the shadow step', () => {
    expect(routeOf(live, begin([shadow, canary(5)], 1), 5).candidate).toMatchObject({ percent: 5, mirror: false });
  });

  it('keeps what was live before until what is live changes', () => {
    const rollout = begin([canary(5)]);
    expect(routeOf(live, rollout, 5).previous?.version).toBe('0');
    expect(routeOf(live, moveRollout(rollout, 'promote', somebody), 5)).toMatchObject({
      live: { version: '2' },
      previous: { version: '1' },
      generation: 5,
      cause: 'rollout live: because',
    });
  });

  it('of the first version of all has nothing to go back to', () => {
    const nothing = Route.fromPartial({ endpoint: 'e', model: 'm', generation: 1 });
    const route = routeOf(nothing, startWithoutBaseline(), 5);
    expect(route.live?.version).toBe('2');
    expect(route.previous).toBeUndefined();
  });
});
