import { createClient, type ClickHouseClient } from '@clickhouse/client';
import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import type { RolloutTold } from './life.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';

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
  readonly eventsIn: number;
  readonly answeredIds: readonly string[];
  readonly latenciesMs: readonly number[];
  readonly run: Run;
  readonly rollouts: readonly RolloutTold[];
  readonly eventsPerSecond: number;
  readonly predictionsPerSecond: number;
  readonly firstPredictionMs: number;
  readonly askedFromMs: number;
  readonly startedMs: number;
}

/** What went in against what came out, asked of the stores themselves. Waits until the log has what was answered, at most a minute. */
export async function takeAccount(client: MeshClient, seen: Observed, narrator: Narrator): Promise<Account> {
  const clickhouse = createClient({ url: client.mesh.clickhouseUrl });
  try {
    narrator.step('taking account: the log, the labels, the vectors');
    const logged = await waitForLog(clickhouse, seen);
    const quarantined = await patiently(() =>
      client.validator.call((stub) => stub.listQuarantined, { stream: '', limit: 1, reasonCode: '' }, 30_000),
    );
    const verified = await patiently(() =>
      client.features.call(
        (stub) => stub.verifyVectors,
        { endpoint: seen.endpoint, fromMs: seen.liveFromMs, toMs: 0, samplePercent: 100 },
        300_000,
      ),
    );
    const performance = await patiently(() =>
      client.monitor.call(
        (stub) => stub.getPerformance,
        {
          endpoint: seen.endpoint,
          fromMs: seen.liveFromMs,
          toMs: 0,
          modelVersion: seen.run.modelVersion,
          segment: '',
          stepMs: 0,
        },
        120_000,
      ),
    );
    const audit = await patiently(() => client.governance.call((stub) => stub.verifyAudit, {}, 60_000));
    const ids = new Set(logged.ids);
    return {
      events: {
        in: seen.eventsIn,
        valid: await countValid(clickhouse),
        quarantined: quarantined.total,
        reasons: await countReasons(clickhouse),
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
        liveAuc: performance.metrics['auc']?.value ?? Number.NaN,
        liveLogloss: performance.metrics['logloss']?.value ?? Number.NaN,
        labelled: performance.labelled,
      },
      rollouts: seen.rollouts.map((one) => ({ ...one, seconds: round(one.seconds, 1) })),
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

/** What must hold, as sentences of what does not. @param whole the run whose live AUC is known */
export function problemsOf(
  { events, predictions, vectors, model, rollouts, audit }: Account,
  whole: boolean,
): string[] {
  const problems: string[] = [];
  if (events.in !== events.valid + events.quarantined)
    problems.push(`${events.in} events went in, ${events.valid} are valid and ${events.quarantined} quarantined`);
  if (predictions.answered === 0) problems.push('no prediction was answered');
  if (predictions.lost !== 0) problems.push(`${predictions.lost} answered predictions are not in the log`);
  if (predictions.duplicated !== 0)
    problems.push(`${predictions.duplicated} predictions are in the log more than once`);
  if (vectors.mismatches !== 0)
    problems.push(
      `${vectors.mismatches} of ${vectors.compared} online vectors differ from their offline recomputation`,
    );
  if (vectors.compared === 0) problems.push('no online vector was compared');
  if (!audit.proved) problems.push('the audit log does not prove itself: `millrace audit verify` names the entry');
  const outcomes = rollouts.map(({ outcome }) => outcome).join();
  if (whole && outcomes !== 'live,refused,rolled-back')
    problems.push(`the rollouts ended as ${outcomes || 'none'}, not as live,refused,rolled-back`);
  if (whole && !(model.liveAuc >= 0.865 && model.liveAuc <= 0.88))
    problems.push(`live AUC ${model.liveAuc.toFixed(4)} is outside .865 to .880: something leaks or is late`);
  return problems;
}

export function printAccount(account: Account, narrator: Narrator): void {
  const { events, predictions, vectors, model, rollouts, audit, latencyMs, rates } = account;
  const reasons = Object.entries(events.reasons).map(([reason, count]) => `${reason} ${count}`);
  narrator.step('the account');
  narrator.line(
    `events       in ${events.in}   valid ${events.valid}   quarantined ${events.quarantined}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`,
  );
  narrator.line(
    `predictions  answered ${predictions.answered}   logged ${predictions.logged}   lost ${predictions.lost}   duplicated ${predictions.duplicated}   fallback ${predictions.fallback}`,
  );
  narrator.line(`vectors      compared ${vectors.compared}   mismatches ${vectors.mismatches}`);
  narrator.line(
    `model        version ${model.version}   AUC offline ${model.offlineAuc.toFixed(4)} live ${model.liveAuc.toFixed(4)}   log-loss offline ${model.offlineLogloss.toFixed(4)} live ${model.liveLogloss.toFixed(4)}   labelled ${model.labelled}`,
  );
  for (const { version, outcome, reason, predictions: made, seconds } of rollouts)
    narrator.line(`rollout      version ${version} ${outcome} after ${made} predictions, ${seconds} s: ${reason}`);
  narrator.line(`audit        entries ${audit.entries}   proved ${audit.proved ? 'yes' : 'NO'}`);
  narrator.line(
    `latency      p50 ${latencyMs.p50} ms   p99 ${latencyMs.p99} ms   at ${rates.predictionsPerSecond} predictions/s`,
  );
  narrator.line(
    `rates        ${rates.eventsPerSecond} events/s from file to features   first prediction after ${account.firstPredictionSeconds} s   all in ${account.seconds} s`,
  );
  narrator.line(
    `where to look next: npx millrace logs, npx millrace rollout history, npx millrace drift late-arrival, npx millrace audit verify; logs of every process in .millrace/logs`,
  );
}

async function waitForLog(clickhouse: ClickHouseClient, seen: Observed): Promise<{ ids: string[]; fallback: number }> {
  const untilMs = Date.now() + 60_000;
  for (;;) {
    const rows = await select<{ prediction_id: string; fallback: boolean }>(
      clickhouse,
      'SELECT prediction_id, fallback FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND answered_at >= fromUnixTimestamp64Milli({from: Int64})',
      { endpoint: seen.endpoint, from: seen.askedFromMs },
    );
    const ids = rows.map((row) => row.prediction_id);
    const known = new Set(ids);
    if (seen.answeredIds.every((id) => known.has(id)) || Date.now() > untilMs)
      return { ids, fallback: rows.filter(({ fallback }) => fallback).length };
    await sleep(500);
  }
}

async function countValid(clickhouse: ClickHouseClient): Promise<number> {
  const [row] = await select<{ n: number }>(
    clickhouse,
    'SELECT (SELECT count() FROM features.stream_departures FINAL) + (SELECT count() FROM features.stream_arrivals FINAL) AS n',
    {},
  );
  return Number(row!.n);
}

async function countReasons(clickhouse: ClickHouseClient): Promise<Record<string, number>> {
  const query = `SELECT arrayJoin(arrayMap((code, column) -> if(column = '', code, concat(code, ' ', column)), reasons.code, reasons.column)) AS reason, count() AS n
    FROM validation.quarantined FINAL GROUP BY reason ORDER BY n DESC LIMIT 5`;
  return Object.fromEntries(
    (await select<{ reason: string; n: number }>(clickhouse, query, {})).map(({ reason, n }) => [reason, Number(n)]),
  );
}

async function select<T>(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<T[]> {
  return (await clickhouse.query({ query, query_params: parameters, format: 'JSONEachRow' })).json<T>();
}

function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN, 2);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
