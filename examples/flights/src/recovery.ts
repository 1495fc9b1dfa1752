import type { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { feedChangedMs } from './flight-events.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';
import { endpoint, hasEnded, type RolloutTold, RolloutWatch } from './rollout-watch.js';
import { watchRun } from './run-pipeline.js';

/** What became of the change of the feed. Hours are of event time, from the change on; predictions those that were asked for in them. */
export interface RecoveryTold {
  readonly noticed: {
    readonly summary: string;
    /** Most drifted first. */
    readonly features: readonly string[];
    readonly hours: number;
    readonly predictions: number;
  };
  /** The first alert of drift; null = there was none. */
  readonly drift: { readonly summary: string; readonly hours: number } | null;
  readonly trained: { readonly pipeline: string; readonly reason: string; readonly seconds: number } | null;
  /** Null = not live, or it was before this run of the story began. */
  readonly live: { readonly version: string; readonly hours: number; readonly predictions: number } | null;
  readonly resolved: boolean;
  /** Alerts that fired before the feed changed. */
  readonly falseAlarms: number;
}

/** A monitor looks every second or two, whatever the speed of the replay: while nobody has noticed anything, six hours of event time take no less than this. */
const sliceMs = 1_200;
const runMs = 60_000;
const resolvedMs = 20_000;

/**
 * Watches the mesh answer the change of the feed; starts, promotes and stops nothing. Event time stands still while a run of the mesh is under way, and until the judge has
 * seen a slice, as in the chapters before.
 */
export class Recovery {
  private alert: Alert | undefined;
  private drift: Alert | undefined;
  private run: Run | undefined;
  private watch: RolloutWatch | undefined;
  private live: RecoveryTold['live'] = null;
  private sliceBeganMs = Date.now();
  private startedMs = 0;

  constructor(
    private readonly client: MeshClient,
    private readonly narrator: Narrator,
    /** Predictions that are asked for in [from, to). */
    private readonly askedBetween: (fromMs: number, toMs: number) => number,
  ) {}

  /** @param untilMs event time that is known @returns how the rollout ended, in the slice in which it did */
  async afterSlice(untilMs: number): Promise<RolloutTold | undefined> {
    if (untilMs <= feedChangedMs) return undefined;
    if (this.alert === undefined) {
      await sleep(Math.max(0, this.sliceBeganMs + sliceMs - Date.now()));
      await this.lookForAlerts();
      this.sliceBeganMs = Date.now();
      return undefined;
    }
    return this.watch && this.followRollout(this.watch, untilMs);
  }

  private async lookForAlerts(): Promise<void> {
    const raised = (await this.alerts()).filter((one) => one.state === 'firing' && one.eventTimeMs > feedChangedMs);
    const drift = raised.findLast(({ breach }) => breach === 'drift');
    if (drift !== undefined && this.drift === undefined) this.tell((this.drift = drift));
    const performance = raised.find(({ breach, actions }) => breach === 'performance' && actions.includes('retrain'));
    if (performance === undefined) return;
    this.tell((this.alert = performance));
    this.startedMs = Date.now();
    this.run = await this.runOf(performance);
    if (this.run === undefined) return this.narrator.line('no pipeline was started for it');
    this.narrator.step(`nobody is asked: pipeline ${this.run.pipeline} has begun, on what is known by now`);
    this.run = await watchRun(this.client, this.run, this.narrator);
    if (this.run.state !== 'succeeded')
      return this.narrator.line(`the run ended as ${this.run.state}: ${this.run.error}`);
    this.watch = await RolloutWatch.of(this.client, this.narrator, this.run.modelVersion);
    await this.watch.approved();
  }

  private async followRollout(watch: RolloutWatch, untilMs: number): Promise<RolloutTold | undefined> {
    const rollout = await watch.verdict();
    if (!hasEnded(rollout)) return undefined;
    this.watch = undefined;
    const told = await watch.end(rollout, 'retrained');
    const seconds = (Date.now() - this.startedMs) / 1_000;
    if (told.outcome !== 'retrained') return { ...told, seconds };
    // On kept data an earlier run of the story has seen it go live.
    if (rollout.moves.some(({ movedMs }) => movedMs > this.startedMs))
      this.live = {
        version: told.version,
        hours: hours(untilMs),
        predictions: this.askedBetween(feedChangedMs, untilMs),
      };
    return { ...told, seconds, reason: this.run?.reason ?? told.reason };
  }

  /** Undefined = nobody has noticed the change. Waits for the end of the alert, 20 s at most. */
  async end(): Promise<RecoveryTold | undefined> {
    const { alert, drift, run } = this;
    if (alert === undefined) return undefined;
    const early = (await this.alerts()).filter((one) => one.state === 'firing' && one.eventTimeMs <= feedChangedMs);
    const resolved = await this.isResolved(alert);
    if (resolved !== undefined) this.narrator.line(`alert resolved: ${resolved.summary}`);
    const seconds = run === undefined ? 0 : secondsOf(run);
    return {
      noticed: {
        summary: alert.summary,
        features: alert.features,
        hours: hours(alert.eventTimeMs),
        predictions: this.askedBetween(feedChangedMs, alert.eventTimeMs),
      },
      drift: drift === undefined ? null : { summary: drift.summary, hours: hours(drift.eventTimeMs) },
      trained: run === undefined ? null : { pipeline: run.pipeline, reason: run.reason, seconds },
      live: this.live,
      resolved: resolved !== undefined,
      falseAlarms: early.length,
    };
  }

  private async isResolved({ fingerprint, startsMs }: Alert): Promise<Alert | undefined> {
    for (const untilMs = Date.now() + resolvedMs; ; await sleep(200)) {
      const found = (await this.alerts()).find(
        (one) => one.state === 'resolved' && one.fingerprint === fingerprint && one.startsMs === startsMs,
      );
      if (found !== undefined || this.live === null || Date.now() > untilMs) return found;
    }
  }

  private tell({ breach, summary, features, actions, eventTimeMs }: Alert): void {
    this.narrator.step(
      `the mesh has noticed, ${hours(eventTimeMs)} hours and ${this.askedBetween(feedChangedMs, eventTimeMs)} predictions after the feed's change: ${breach}`,
    );
    this.narrator.line(summary);
    this.narrator.line(`most drifted: ${features.join(', ')}; what it asks for: ${actions.join(', ')}`);
  }

  /** Newest first. */
  private async alerts(): Promise<Alert[]> {
    const request = { endpoint, firingOnly: false, limit: 1_000 };
    return (await patiently(() => this.client.monitor.call((stub) => stub.listAlerts, request, 10_000))).alerts;
  }

  /** The run that an alert has started; undefined = none within a minute. */
  private async runOf({ breach, summary }: Alert): Promise<Run | undefined> {
    const request = { pipeline: '', limit: 1_000 };
    for (const untilMs = Date.now() + runMs; ; await sleep(200)) {
      const { runs } = await patiently(() => this.client.trainer.call((stub) => stub.listRuns, request, 10_000));
      const found = runs.find(({ reason }) => reason === `${breach}: ${summary}`);
      if (found !== undefined || Date.now() > untilMs) return found;
    }
  }
}

/** From the change of the feed to an instant of event time. */
function hours(eventTimeMs: number): number {
  return Math.round((eventTimeMs - feedChangedMs) / 3_600_000);
}

function secondsOf({ steps, createdMs }: Run): number {
  return (Math.max(createdMs, ...steps.map(({ finishedMs }) => finishedMs)) - createdMs) / 1_000;
}
