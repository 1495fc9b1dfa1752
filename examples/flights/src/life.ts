import type { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';
import { type RunRequest, runPipeline } from './run-pipeline.js';

/** How a version's way to the endpoint ended. */
export interface RolloutTold {
  readonly version: string;
  readonly outcome: 'live' | 'refused' | 'rolled-back' | 'retrained';
  readonly reason: string;
  /** That the version made: answered, or in the shadow of the live one. */
  readonly predictions: number;
  readonly seconds: number;
}

type Chapter = 'better' | 'careless' | 'over';

const endpoint = 'late-arrival';
const weekMs = 7 * 86_400_000;
/** Of a verdict: the judge looks every second, and labels and predictions have to reach it first. */
const verdictMs = 4_000;
const ends = new Set(['live', 'aborted', 'superseded']);

/**
 * The life of a model while departures are asked for: version 1 knows only the request and is live; version 2 has all features and comes by shadow and canary; one of a single week is
 * refused at its gate; a careless one, promoted by hand, is rolled back by verdict. What an earlier run on kept data has told already is only read again.
 */
export class Life {
  readonly told: RolloutTold[] = [];
  private chapter: Chapter = 'better';
  private rolloutId = '';
  private shownMoves = 0;
  private startedMs = Date.now();

  constructor(
    private readonly client: MeshClient,
    private readonly narrator: Narrator,
    private readonly key: string,
  ) {}

  /** @returns the run of version 2, whose rollout is under way or over */
  async begin(window: Pick<RunRequest, 'dataFromMs' | 'dataToMs' | 'validateFromMs'>): Promise<Run> {
    this.narrator.step('training version 1: what the request alone says; nothing is live yet, so it goes live at once');
    await this.mustSucceed({ pipeline: 'train-request-only', idempotencyKey: `${this.key}-1`, ...window });
    this.narrator.step('training version 2: with the history of slots, routes and airports; it has to prove itself');
    const run = await this.mustSucceed({ pipeline: 'train-late-arrival', idempotencyKey: `${this.key}-2`, ...window });
    await this.follow(run);
    return run;
  }

  /** After a slice has been asked for: lets the judge see it, tells what moved, and goes on to the next chapter. @param untilMs event time that is known */
  async afterSlice(untilMs: number): Promise<void> {
    if (this.chapter === 'over') return;
    const rollout = await this.verdict();
    this.tellMoves(rollout);
    if (!ends.has(rollout.state)) return;
    await this.tellEnd(rollout);
    if (this.chapter === 'careless') {
      this.chapter = 'over';
      return;
    }
    await this.cleanWeek(untilMs);
    await this.careless(untilMs);
  }

  private async cleanWeek(untilMs: number): Promise<void> {
    this.narrator.step('somebody retrains on the last week alone');
    const startedMs = Date.now();
    const run = await this.train({
      pipeline: 'train-late-arrival',
      idempotencyKey: `${this.key}-3`,
      dataFromMs: untilMs - weekMs,
      dataToMs: untilMs,
      validateFromMs: 0,
    });
    if (run.state !== 'refused')
      throw new Error(`the run on one week ended as ${run.state}, its gate should refuse it`);
    this.narrator.line(`refused: ${run.error}`);
    this.told.push({
      version: 'not registered',
      outcome: 'refused',
      reason: run.error,
      predictions: 0,
      seconds: (Date.now() - startedMs) / 1_000,
    });
  }

  private async careless(untilMs: number): Promise<void> {
    this.narrator.step('somebody lets a careless version past the gate, and promotes it by hand');
    this.chapter = 'careless';
    const run = await this.mustSucceed({
      pipeline: 'train-careless',
      idempotencyKey: `${this.key}-4`,
      dataFromMs: 0,
      dataToMs: untilMs,
      validateFromMs: 0,
    });
    await this.follow(run);
    for (let step = 1; step < 3; step += 1) {
      const rollout = await this.rollout();
      if (ends.has(rollout.state) || rollout.step >= step) continue;
      const move = { rolloutId: this.rolloutId, action: 'promote', cause: 'it catches more late flights' };
      this.tellMoves(await patiently(() => this.client.registry.call((stub) => stub.moveRollout, move, 10_000)));
    }
  }

  /** The newest rollout of the run's version. */
  private async follow(run: Run): Promise<void> {
    const request = { endpoint, limit: 1_000 };
    const { rollouts } = await patiently(() => this.client.registry.call((stub) => stub.listRollouts, request, 10_000));
    const found = rollouts.find(({ candidate }) => candidate?.version === run.modelVersion);
    if (found === undefined) throw new Error(`version ${run.modelVersion} has no rollout on ${endpoint}`);
    this.rolloutId = found.rolloutId;
    this.shownMoves = 0;
    this.startedMs = Date.now();
    this.tellMoves(found);
  }

  private async rollout(): Promise<Rollout> {
    return patiently(() =>
      this.client.registry.call((stub) => stub.getRollout, { rolloutId: this.rolloutId, endpoint: '' }, 10_000),
    );
  }

  private async judgement(): Promise<Judgement | undefined> {
    const { judgements } = await patiently(() =>
      this.client.monitor.call((stub) => stub.getJudgements, { rolloutId: this.rolloutId, limit: 1 }, 10_000),
    );
    return judgements[0];
  }

  /** Waits until a judgement has seen more than the one before, or the rollout has moved. At replay speed a second of waiting is hours of event time. */
  private async verdict(): Promise<Rollout> {
    const before = await this.rollout();
    const seen = (await this.judgement())?.stepPredictions ?? 0;
    for (const untilMs = Date.now() + verdictMs; Date.now() < untilMs; await sleep(200)) {
      const now = await this.rollout();
      if (now.generation !== before.generation || ends.has(now.state)) return now;
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

  private tellMoves({ moves, candidate, steps }: Rollout): void {
    for (const { to, step, cause, movedBy } of moves.slice(this.shownMoves)) {
      const percent = to === 'canary' ? ` ${steps[step]?.percent} %` : '';
      this.narrator.line(`version ${candidate?.version}: ${to}${percent} (${movedBy}: ${cause})`);
    }
    this.shownMoves = moves.length;
  }

  private async tellEnd(rollout: Rollout): Promise<void> {
    const judgement = await this.judgement();
    const last = rollout.moves.at(-1);
    for (const { guardrail, reason } of judgement?.evidence ?? []) this.narrator.line(`  ${guardrail}: ${reason}`);
    this.told.push({
      version: rollout.candidate?.version ?? '',
      outcome: rollout.state === 'live' ? 'live' : 'rolled-back',
      reason: last?.cause ?? '',
      predictions: Math.max(0, ...(judgement?.evidence ?? []).map(({ candidateRows }) => candidateRows)),
      seconds: (Date.now() - this.startedMs) / 1_000,
    });
  }

  private async mustSucceed(request: RunRequest): Promise<Run> {
    const run = await this.train(request);
    if (run.state !== 'succeeded')
      throw new Error(`run ${run.runId} of ${request.pipeline} ended as ${run.state}: ${run.error}`);
    return run;
  }

  private train(request: RunRequest): Promise<Run> {
    return runPipeline(this.client, request, this.narrator);
  }
}
