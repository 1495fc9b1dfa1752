import { createClient, type ClickHouseClient } from '@clickhouse/client';
import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { answersAndShadows, countReasons, countValid, loggedRows, type ScoredInTime } from './account-queries.js';
import { checkAtTheDoor, type DayAtTheDoor } from './door-check.js';
import { feedChangedMs } from './flight-events.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';
import type { RecoveryTold } from './recovery.js';
import type { RolloutTold } from './rollout-watch.js';

/** How the model did in a part of the story, on predictions whose truth is known. */
export interface Phase {
  readonly phase: 'clean' | 'broken' | 'healed';
  readonly version: string;
  readonly labelled: number;
  readonly auc: number;
  readonly logloss: number;
}

export interface Account {
  readonly events: {
    readonly in: number;
    readonly valid: number;
    readonly quarantined: number;
    readonly reasons: Readonly<Record<string, number>>;
  };
  readonly predictions: {
    readonly answered: number;
    readonly logged: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly fallback: number;
  };
  readonly vectors: { readonly compared: number; readonly mismatches: number };
  readonly model: {
    readonly version: string;
    readonly offlineAuc: number;
    readonly offlineLogloss: number;
    readonly liveAuc: number;
    readonly liveLogloss: number;
    readonly labelled: number;
  };
  readonly rollouts: readonly RolloutTold[];
  /** Before the feed's change; after it, by the version that did not know it; by the one that did. Those that the story came to. */
  readonly phases: readonly Phase[];
  /** What the mesh did about the feed's change; null = the story ended before it did anything. */
  readonly recovery: RecoveryTold | null;
  /** What a tight expectation would have caught; empty = the story ended before the feed changed. */
  readonly door: readonly DayAtTheDoor[];
  /** Of the audit log: all of it recomputed. */
  readonly audit: { readonly entries: number; readonly proved: boolean };
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly rates: { readonly eventsPerSecond: number; readonly predictionsPerSecond: number };
  readonly firstPredictionSeconds: number;
  readonly seconds: number;
}

export interface Observed {
  readonly endpoint: string;
  readonly liveFromMs: number;
  readonly liveToMs: number;
  readonly eventsIn: number;
  readonly answeredIds: readonly string[];
  readonly latenciesMs: readonly number[];
  readonly run: Run;
  readonly rollouts: readonly RolloutTold[];
  readonly recovery: RecoveryTold | undefined;
  readonly eventsPerSecond: number;
  readonly predictionsPerSecond: number;
  readonly firstPredictionMs: number;
  readonly askedFromMs: number;
  readonly startedMs: number;
}

const streams = ['departures', 'arrivals'];
const [dayMs, hourMs] = [86_400_000, 3_600_000];
/** After what an alert is about, until departures that the version it led to cannot have learned from: two slices. On kept data that version answers the earlier ones as well. */
const learnedMs = 12 * hourMs;

/** What went in against what came out, asked of the stores themselves. Waits until the log has what was answered, at most a minute. */
export async function takeAccount(client: MeshClient, seen: Observed, narrator: Narrator): Promise<Account> {
  const clickhouse = createClient({ url: client.mesh.clickhouseUrl });
  try {
    narrator.step('taking account: the log, the labels, the vectors');
    const logged = await waitForLog(clickhouse, seen);
    const verified = await patiently(() =>
      client.features.call(
        (stub) => stub.verifyVectors,
        { endpoint: seen.endpoint, fromMs: seen.liveFromMs, toMs: 0, samplePercent: 100 },
        300_000,
      ),
    );
    const phases = await measurePhases(client, clickhouse, seen);
    const clean = phases[0]!;
    const audit = await patiently(() => client.governance.call((stub) => stub.verifyAudit, {}, 60_000));
    const ids = new Set(logged.ids);
    return {
      events: {
        in: seen.eventsIn,
        valid: await countValid(clickhouse, streams),
        quarantined: await countQuarantined(client),
        reasons: await countReasons(clickhouse, streams),
      },
      predictions: {
        answered: seen.answeredIds.length,
        logged: logged.ids.length,
        lost: seen.answeredIds.filter((id) => !ids.has(id)).length,
        duplicated: logged.ids.length - ids.size,
        fallback: logged.fallback,
      },
      vectors: { compared: verified.compared, mismatches: verified.mismatches },
      model: {
        version: seen.run.modelVersion,
        offlineAuc: seen.run.metrics['validate.auc'] ?? Number.NaN,
        offlineLogloss: seen.run.metrics['validate.logloss'] ?? Number.NaN,
        liveAuc: clean.auc,
        liveLogloss: clean.logloss,
        labelled: clean.labelled,
      },
      rollouts: seen.rollouts.map((one) => ({ ...one, seconds: round(one.seconds, 1) })),
      phases,
      recovery: seen.recovery ?? null,
      door: seen.liveToMs < feedChangedMs + dayMs ? [] : await checkAtTheDoor(client, clickhouse),
      audit: { entries: audit.entries, proved: audit.ok },
      latencyMs: { p50: quantile(seen.latenciesMs, 0.5), p99: quantile(seen.latenciesMs, 0.99) },
      rates: {
        eventsPerSecond: Math.round(seen.eventsPerSecond),
        predictionsPerSecond: Math.round(seen.predictionsPerSecond),
      },
      firstPredictionSeconds: round((seen.firstPredictionMs - seen.startedMs) / 1_000, 1),
      seconds: round((Date.now() - seen.startedMs) / 1_000, 1),
    };
  } finally {
    await clickhouse.close();
  }
}

/** Waits until the log has what was answered, at most a minute. */
async function waitForLog(clickhouse: ClickHouseClient, seen: Observed): Promise<{ ids: string[]; fallback: number }> {
  const untilMs = Date.now() + 60_000;
  for (;;) {
    const rows = await loggedRows(clickhouse, seen.endpoint, seen.askedFromMs);
    const ids = rows.map((row) => row.prediction_id);
    const known = new Set(ids);
    if (seen.answeredIds.every((id) => known.has(id)) || Date.now() > untilMs)
      return { ids, fallback: rows.filter(({ fallback }) => fallback).length };
    await sleep(500);
  }
}

async function countQuarantined(client: MeshClient): Promise<number> {
  let total = 0;
  for (const stream of streams) {
    const request = { stream, limit: 1, reasonCode: '' };
    total += (await patiently(() => client.validator.call((stub) => stub.listQuarantined, request, 30_000))).total;
  }
  return total;
}

/** Of the clean phase answers and shadows count, for there the version was being rolled out; of the others what it answered. */
async function measurePhases(client: MeshClient, clickhouse: ClickHouseClient, seen: Observed): Promise<Phase[]> {
  const { endpoint, liveFromMs, liveToMs, run } = seen;
  const version = run.modelVersion;
  const toMs = Math.min(liveToMs, feedChangedMs);
  const clean = await answersAndShadows(clickhouse, { endpoint, version, fromMs: liveFromMs, toMs });
  const phases: Phase[] = [{ phase: 'clean', version, ...rounded(clean) }];
  if (liveToMs <= feedChangedMs) return phases;
  phases.push(await measureSince(client, seen, 'broken', version, feedChangedMs));
  const healed = seen.rollouts.find(({ outcome }) => outcome === 'retrained');
  if (healed === undefined || seen.recovery === undefined) return phases;
  const fromMs = feedChangedMs + seen.recovery.noticed.hours * hourMs + learnedMs;
  return [...phases, await measureSince(client, seen, 'healed', healed.version, fromMs)];
}

async function measureSince(
  client: MeshClient,
  { endpoint }: Observed,
  phase: Phase['phase'],
  modelVersion: string,
  fromMs: number,
): Promise<Phase> {
  const request = { endpoint, fromMs, toMs: 0, modelVersion, segment: '', stepMs: 0 };
  const { labelled, metrics } = await patiently(() =>
    client.monitor.call((stub) => stub.getPerformance, request, 120_000),
  );
  const value = (metric: string): number => metrics[metric]?.value ?? Number.NaN;
  return { phase, version: modelVersion, ...rounded({ labelled, auc: value('auc'), logloss: value('logloss') }) };
}

function rounded({ labelled, auc, logloss }: ScoredInTime): ScoredInTime {
  return { labelled, auc: round(auc, 4), logloss: round(logloss, 4) };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN, 2);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
