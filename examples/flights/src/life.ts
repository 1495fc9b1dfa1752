import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { type MeshClient, patiently } from './mesh-client.js';
import type { Narrator } from './narrator.js';
import { Recovery, type RecoveryTold } from './recovery.js';
import { hasEnded, type RolloutTold, RolloutWatch } from './rollout-watch.js';
import { type RunRequest, runPipeline } from './run-pipeline.js';

type Chapter = 'better' | 'careless' | 'left-alone';

const weekMs = 7 * 86_400_000;

/**
 * The life of a model while departures are asked for: version 1 knows only the request and is live; version 2 has all features and comes by shadow and canary; one of a single week is
 * refused at its gate; a careless one, promoted by hand, is rolled back by verdict. Then the world changes, and nobody does anything: the mesh
 * notices, trains and rolls out by itself. What an earlier run on kept data has told already is only read again.
 */
export class Life {
  readonly told: RolloutTold[] = [];
  private readonly recovery: Recovery;
  private chapter: Chapter = 'better';
  private watch: RolloutWatch | undefined;

  constructor(
    private readonly client: MeshClient,
    private readonly narrator: Narrator,
    private readonly key: string,
    /** Predictions that are asked for in [from, to). */
    askedBetween: (fromMs: number, toMs: number) => number,
  ) {
    this.recovery = new Recovery(client, narrator, askedBetween);
  }

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
    const recovered = await this.recovery.afterSlice(untilMs);
    if (recovered !== undefined) this.told.push(recovered);
    if (this.chapter === 'left-alone' || this.watch === undefined) return;
    const rollout = await this.watch.verdict();
    if (!hasEnded(rollout)) return;
    this.told.push(await this.watch.end(rollout, 'live'));
    if (this.chapter === 'careless') {
      this.chapter = 'left-alone';
      return;
    }
    await this.cleanWeek(untilMs);
    await this.careless(untilMs);
  }

  /** What became of the change of the feed; undefined = nobody has noticed it. */
  recovered(): Promise<RecoveryTold | undefined> {
    return this.recovery.end();
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
    const watch = await this.follow(run);
    for (let step = 1; step < 3; step += 1) {
      const rollout = await watch.rollout();
      if (hasEnded(rollout) || rollout.step >= step) continue;
      const move = { rolloutId: watch.rolloutId, action: 'promote', cause: 'it catches more late flights' };
      watch.tellMoves(await patiently(() => this.client.registry.call((stub) => stub.moveRollout, move, 10_000)));
    }
  }

  private async follow(run: Run): Promise<RolloutWatch> {
    this.watch = await RolloutWatch.of(this.client, this.narrator, run.modelVersion);
    await this.watch.approved();
    return this.watch;
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
