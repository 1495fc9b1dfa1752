import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { MessageLog, Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { guardrailsOf, judgeRollout } from '../domain/judge-rollout.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import type { RolloutEvidenceStore } from '../outbound/rollout-evidence.store.js';

/** Rests so many times as long as the looks took: long rollouts cost the database at most a fifth of its time. */
const restFactor = 4;

/**
 * Looks at every rollout under way, one look after the other; looking often costs no error, for the bounds hold at every look. A verdict is published at each look until the
 * rollout has moved on, so that none is lost; the registry ignores one of a generation that has passed.
 */
export class JudgeLoop {
  private readonly publisher: Publisher;
  /** What was last kept of a rollout under way. */
  private readonly kept = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly log: MessageLog,
    private readonly rollouts: { underWay(): Rollout[] },
    private readonly store: RolloutEvidenceStore,
    private readonly metrics: MonitorMetrics,
    private readonly logger: Logger,
    private readonly intervalMs: number,
  ) {
    this.publisher = log.publisher('rolloutsJudged');
  }

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'rolloutsJudged' }]);
    this.lookIn(this.intervalMs);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  /** One look at every rollout. A fault with one is logged and keeps no other from being judged; the next look tries it again. */
  async lookAtAll(): Promise<void> {
    const underWay = this.rollouts.underWay();
    const ids = new Set(underWay.map(({ rolloutId }) => rolloutId));
    for (const id of this.kept.keys()) if (!ids.has(id)) this.kept.delete(id);
    for (const rollout of underWay) {
      const stopTimer = this.metrics.judgeSeconds.startTimer();
      try {
        await this.look(rollout);
      } catch (error) {
        this.logger.warn('rollout_not_judged', { rollout: rollout.rolloutId, error: errorMessage(error) });
      }
      stopTimer();
    }
  }

  private lookIn(delayMs: number): void {
    this.timer = setTimeout(() => {
      const beganMs = performance.now();
      this.looking = this.lookAtAll().then(() => {
        const tookMs = performance.now() - beganMs;
        if (!this.stopped) this.lookIn(Math.max(this.intervalMs, restFactor * tookMs));
      });
    }, delayMs);
  }

  private async look(rollout: Rollout): Promise<void> {
    const guardrails = guardrailsOf(rollout);
    const statistics = await this.store.statistics(rollout, guardrails.latencyP99?.ratio ?? 1);
    const judgement = judgeRollout(rollout, guardrails, statistics, Date.now());
    this.metrics.judgements.inc({ outcome: judgement.outcome });
    const state = stateOf(judgement);
    if (this.kept.get(rollout.rolloutId) !== state) {
      await this.store.insertJudgement(judgement);
      this.kept.set(rollout.rolloutId, state);
    }
    if (judgement.outcome !== 'pass' && judgement.outcome !== 'fail') return;
    const value = Buffer.from(Judgement.encode(judgement).finish());
    await this.publisher.publish([{ key: Buffer.from(rollout.rolloutId), value, headers: {} }]);
  }
}

/** What makes a judgement worth keeping when it changes: outcome, generation and rows. */
function stateOf({ outcome, generation, stepPredictions, evidence }: Judgement): string {
  const rows = evidence.map(({ candidateRows, baselineRows }) => `${candidateRows}/${baselineRows}`);
  return [outcome, generation, stepPredictions, ...rows].join(' ');
}
