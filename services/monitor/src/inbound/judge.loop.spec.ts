import { expect, it, jest } from '@jest/globals';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { MessageLog } from '#libs/messaging/message-log.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import type { RolloutStatistics } from '../domain/rollout-statistics.js';
import { monitorMetrics } from '../monitor.metrics.js';
import type { RolloutEvidenceStore } from '../outbound/rollout-evidence.store.js';
import { JudgeLoop } from './judge.loop.js';

const none = { n: 0, mean: 0, variance: 0 };
const counted = (answered: number): RolloutStatistics => ({
  steps: [{ step: 0, arm: 'shadow', answered, failed: 0 }],
  pairs: none,
  canaryLoss: none,
  liveLoss: none,
  latency: { liveP99Us: Number.NaN, canaryRows: 0, canarySlowRows: 0 },
});
const rolloutOf = (rolloutId: string, guardrails = '{"alpha":0.05}'): Rollout =>
  Rollout.fromPartial({
    rolloutId,
    guardrailsJson: Buffer.from(guardrails),
    state: 'shadow',
    steps: [{ kind: 'shadow', predictions: 10 }],
  });

function setUp(rollouts: Rollout[], statistics: () => Promise<RolloutStatistics>) {
  const [kept, published, events]: [Judgement[], Judgement[], string[]] = [[], [], []];
  const publish = async ([record]: { value: Buffer }[]): Promise<void> =>
    void published.push(Judgement.decode(record!.value));
  const loop = new JudgeLoop(
    { publisher: () => ({ publish }), ensureTopics: async () => undefined } as unknown as MessageLog,
    { underWay: () => rollouts },
    { statistics, insertJudgement: async (one: Judgement) => void kept.push(one) } as unknown as RolloutEvidenceStore,
    monitorMetrics(new Metrics('test')),
    new Logger('test', 'warn', (line) => events.push((JSON.parse(line) as { event: string }).event)),
    1_000,
  );
  return { loop, kept, published, events };
}

it('keeps a judgement when it has changed, and publishes a verdict at each look until the rollout has moved on', async () => {
  const rollouts = [rolloutOf('r1')];
  let answered = 5;
  const { loop, kept, published } = setUp(rollouts, async () => counted(answered));
  await loop.lookAtAll();
  await loop.lookAtAll();
  expect([kept.length, published.length]).toEqual([1, 0]);
  answered = 10;
  await loop.lookAtAll();
  await loop.lookAtAll();
  expect(kept.map(({ outcome }) => outcome)).toEqual(['not-yet', 'pass']);
  expect(published.map(({ outcome }) => outcome)).toEqual(['pass', 'pass']);
  rollouts.length = 0;
  await loop.lookAtAll();
  expect(published).toHaveLength(2);
});

it('judges the other rollouts when one cannot be, and that one at the next look', async () => {
  let away = true;
  const { loop, kept, events } = setUp([rolloutOf('broken', '{'), rolloutOf('r2')], async () => {
    if (away) throw new Error('away');
    return counted(10);
  });
  await loop.lookAtAll();
  expect([events, kept]).toEqual([['rollout_not_judged', 'rollout_not_judged'], []]);
  away = false;
  await loop.lookAtAll();
  expect(kept.map(({ rolloutId }) => rolloutId)).toEqual(['r2']);
});

it('does not look again before a look has ended and four times as long has passed', async () => {
  jest.useFakeTimers();
  let looks = 0;
  let end = (): void => undefined;
  const { loop } = setUp([rolloutOf('r1')], async () => {
    looks += 1;
    await new Promise<void>((resolve) => (end = resolve));
    return counted(5);
  });
  await loop.start();
  await jest.advanceTimersByTimeAsync(5_000);
  expect(looks).toBe(1);
  end();
  await jest.advanceTimersByTimeAsync(15_900); // the look began after 1 s and took 4
  expect(looks).toBe(1);
  await jest.advanceTimersByTimeAsync(200);
  expect(looks).toBe(2);
  end();
  await loop.stop();
  await jest.advanceTimersByTimeAsync(5_000);
  expect(looks).toBe(2);
  jest.useRealTimers();
});
