import type { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';

/** How a version's way to the endpoint ended. */
export interface RolloutTold {
  readonly version: string;
  readonly outcome: 'live' | 'refused' | 'rolled-back' | 'retrained';
  readonly reason: string;
  /** That the version made: answered, or in the shadow of the live one. */
  readonly predictions: number;
  readonly seconds: number;
}

export const endpoint = 'late-arrival';
/** Of a verdict: the judge looks every second, and labels and predictions have to reach it first. */
const verdictMs = 4_000;
/** The second person looks four times a second; services may be starting again. */
const approvalMs = 120_000;
const ends = new Set(['live', 'aborted', 'superseded']);

export function hasEnded({ state }: Rollout): boolean {
  return ends.has(state);
}

/** A rollout as somebody follows it who watches and does nothing. */
export class RolloutWatch {
  private shownMoves = 0;
  private readonly startedMs = Date.now();

  private constructor(
    private readonly client: MeshClient,
    private readonly narrator: Narrator,
    readonly rolloutId: string,
  ) {}

  /** The newest rollout of a version, whether it is under way or over. */
  static async of(client: MeshClient, narrator: Narrator, version: string): Promise<RolloutWatch> {
    const request = { endpoint, limit: 1_000 };
    const { rollouts } = await patiently(() => client.registry.call((stub) => stub.listRollouts, request, 10_000));
    const found = rollouts.find(({ candidate }) => candidate?.version === version);
    if (found === undefined) throw new Error(`version ${version} has no rollout on ${endpoint}`);
    const watch = new RolloutWatch(client, narrator, found.rolloutId);
    watch.tellMoves(found);
    return watch;
  }

  async rollout(): Promise<Rollout> {
    return patiently(() =>
      this.client.registry.call((stub) => stub.getRollout, { rolloutId: this.rolloutId, endpoint: '' }, 10_000),
    );
  }

  /** Waits until the people who were asked have said something, and tells the moves. */
  async approved(): Promise<void> {
    for (const untilMs = Date.now() + approvalMs; ; await sleep(200)) {
      const rollout = await this.rollout();
      if (rollout.state === 'pending' && Date.now() < untilMs) continue;
      return this.tellMoves(rollout);
    }
  }

  /** Waits until a judgement has seen more than the one before, or the rollout has moved, and tells the moves. At replay speed a second of waiting is hours of event time. */
  async verdict(): Promise<Rollout> {
    const rollout = await this.nextVerdict();
    this.tellMoves(rollout);
    return rollout;
  }

  private async nextVerdict(): Promise<Rollout> {
    const before = await this.rollout();
    const seen = (await this.judgement())?.stepPredictions ?? 0;
    for (const untilMs = Date.now() + verdictMs; Date.now() < untilMs; await sleep(200)) {
      const now = await this.rollout();
      if (now.generation !== before.generation || hasEnded(now)) return now;
      const judgement = await this.judgement();
      if (
        judgement?.generation === now.generation &&
        judgement.stepPredictions > seen &&
        judgement.outcome === 'not-yet'
      )
        return now;
    }
    return this.rollout();
  }

  private async judgement(): Promise<Judgement | undefined> {
    const { judgements } = await patiently(() =>
      this.client.monitor.call((stub) => stub.getJudgements, { rolloutId: this.rolloutId, limit: 1 }, 10_000),
    );
    return judgements[0];
  }

  tellMoves({ moves, candidate, steps }: Rollout): void {
    for (const { to, step, cause, movedBy } of moves.slice(this.shownMoves)) {
      const percent = to === 'canary' ? ` ${steps[step]?.percent} %` : '';
      this.narrator.line(`version ${candidate?.version}: ${to}${percent} (${movedBy}: ${cause})`);
    }
    this.shownMoves = moves.length;
  }

  /** Of a rollout that has ended. @param whenLive what it is called when the version has gone live */
  async end(rollout: Rollout, whenLive: 'live' | 'retrained'): Promise<RolloutTold> {
    const evidence = (await this.judgement())?.evidence ?? [];
    for (const { guardrail, reason } of evidence) this.narrator.line(`  ${guardrail}: ${reason}`);
    return {
      version: rollout.candidate?.version ?? '',
      outcome: rollout.state === 'live' ? whenLive : 'rolled-back',
      reason: rollout.moves.at(-1)?.cause ?? '',
      predictions: Math.max(0, ...evidence.map(({ candidateRows }) => candidateRows)),
      seconds: (Date.now() - this.startedMs) / 1_000,
    };
  }
}
