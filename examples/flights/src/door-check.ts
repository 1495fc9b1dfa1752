import type { ClickHouseClient } from '@clickhouse/client';
import { countValid, quarantinedByDay } from './account-queries.js';
import { feedChangedMs } from './flight-events.js';
import { type MeshClient, patiently, sleep } from './mesh-client.js';

/** A day's arrivals against the expectation that minutes deserve. */
export interface DayAtTheDoor {
  readonly day: string;
  readonly events: number;
  readonly quarantined: number;
}

const stream = 'arrivals-checked';
const dayMs = 86_400_000;

/**
 * The last day of minutes and the first of seconds, sent to the stream with the tight expectation, through ingest and validator like everything else: what it would have caught at
 * the door. Repeatable: an event that comes again counts once.
 */
export async function checkAtTheDoor(client: MeshClient, clickhouse: ClickHouseClient): Promise<DayAtTheDoor[]> {
  const days = [feedChangedMs - dayMs, feedChangedMs];
  const sent: number[] = [];
  for (const fromMs of days) sent.push(await send(client, fromMs));
  await allDecided(
    client,
    clickhouse,
    sent.reduce((sum, one) => sum + one, 0),
  );
  const quarantined = await quarantinedByDay(clickhouse, stream);
  return days.map((fromMs, i) => {
    const day = new Date(fromMs).toISOString().slice(0, 10);
    return { day, events: sent[i]!, quarantined: quarantined[day] ?? 0 };
  });
}

async function send(client: MeshClient, fromMs: number): Promise<number> {
  const request = { sources: ['arrival-check'], fromMs, toMs: fromMs + dayMs, speedup: 0, advanceWatermark: true };
  return patiently(
    async () => {
      let published = 0;
      for await (const progress of client.ingest.stream((stub) => stub.replay, request, 60_000))
        published = progress.published;
      return published;
    },
    120_000,
    ['not-found'],
  );
}

/** Waits until what was sent is in one of the two places, a minute at most. */
async function allDecided(client: MeshClient, clickhouse: ClickHouseClient, sent: number): Promise<void> {
  for (const untilMs = Date.now() + 60_000; ; await sleep(100)) {
    const { total } = await patiently(() =>
      client.validator.call((stub) => stub.listQuarantined, { stream, limit: 1, reasonCode: '' }, 30_000),
    );
    const decided = total + (await countValid(clickhouse, [stream]));
    if (decided >= sent) return;
    if (Date.now() > untilMs) throw new Error(`${sent} events were sent to ${stream}, ${decided} are decided`);
  }
}
