import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { MeshState } from '#libs/boot/mesh-state.js';
import type { Document } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type Account, takeAccount } from './account.js';
import type { DepartureEvent } from './flight-events.js';
import type { History } from './flight-history.js';
import { Life } from './life.js';
import { MeshClient, patiently, sleep } from './mesh-client.js';
import type { Narrator } from './narrator.js';
import { predictDepartures } from './predict-departures.js';
import { SecondPerson } from './second-person.js';

export interface StoryOptions {
  readonly history: History;
  /** Days of June, from the 10th, that are predicted. */
  readonly days: number;
  readonly hub: string;
  /** When the user typed the command, epoch ms. */
  readonly startedMs: number;
  /** Called before each slice of the live time, with its number; the slice begins when it has resolved. */
  readonly onSlice?: (slice: number) => Promise<void>;
}

const endpoint = 'late-arrival';
const sources = ['departure-history', 'arrival-history'];
const streams = ['departures', 'arrivals'];
const at = (date: string): number => Date.parse(`${date}T00:00:00Z`);
/** Windows are warm a week after the history begins. */
const trainFromMs = at('2001-04-16');
const validateFromMs = at('2001-05-28');
const liveFromMs = at('2001-06-10');
const dayMs = 86_400_000;
const sliceMs = 6 * 3_600_000;
/** After the last flight has landed. */
const landedMs = 12 * 3_600_000;

/** Flights as events, a model of them, and three weeks of predictions at the instants of departure, while the labels come in after landing. */
export async function runStory(mesh: MeshState, options: StoryOptions, narrator: Narrator): Promise<Account> {
  const client = new MeshClient(mesh);
  const second = new SecondPerson(mesh, narrator);
  try {
    narrator.step('millrace apply -f examples/flights/definitions');
    const definitions = readDefinitions();
    await applyDefinitions(client, definitions, narrator);
    const liveToMs = liveFromMs + options.days * dayMs;
    const departures = await readDepartures(options.history.departures, liveToMs);
    narrator.step(`replaying departures and arrivals, 9 April to 9 June 2001 (hub ${options.hub})`);
    const before = await replay(client, 0, liveFromMs, narrator, departures.total * 2);
    const life = new Life(client, narrator, runKey(options.hub, definitions), (fromMs, toMs) =>
      askedBetween(departures.live, fromMs, toMs),
    );
    const run = await life.begin({ dataFromMs: trainFromMs, dataToMs: liveFromMs, validateFromMs });
    narrator.step(
      `10 June and ${options.days} days on: every departure predicted at its instant, in slices of six hours`,
    );
    const live = await predictLive(client, departures.live, liveToMs, life, narrator, options.onSlice);
    const rest = await replay(client, liveToMs, liveToMs + landedMs, undefined, 0);
    const eventsIn = before.events + live.events + rest.events;
    const seen = {
      endpoint,
      liveFromMs,
      liveToMs,
      eventsIn,
      ...live,
      run,
      rollouts: life.told,
      recovery: await life.recovered(),
      eventsPerSecond: before.events / before.seconds,
      startedMs: options.startedMs,
    };
    return await takeAccount(client, seen, narrator);
  } finally {
    client.close();
    await second.stop();
  }
}

function readDefinitions(): Document[] {
  const folder = join(projectRoot(), 'examples/flights/definitions');
  return readdirSync(folder).map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));
}

/** The same flights and definitions give the run that they gave before, and the version that it made. */
function runKey(hub: string, definitions: readonly Document[]): string {
  return `flights-${hub}-${createHash('sha256').update(JSON.stringify(definitions)).digest('hex').slice(0, 12)}`;
}

async function applyDefinitions(client: MeshClient, documents: Document[], narrator: Narrator): Promise<void> {
  const response = await patiently(() =>
    client.registry.call((stub) => stub.apply, { documents, dryRun: false, requestedBy: '' }, 30_000),
  );
  if (response.problems.length > 0)
    throw new Error(
      response.problems.map(({ path, line, column, message }) => `${path}:${line}:${column} ${message}`).join('\n'),
    );
  const counts = new Map<string, number>();
  for (const { action } of response.changes) counts.set(action, (counts.get(action) ?? 0) + 1);
  narrator.line([...counts].map(([action, count]) => `${count} ${action}`).join(', '));
}

/** Departures before the end, and those that are asked for. */
async function readDepartures(path: string, toMs: number): Promise<{ total: number; live: DepartureEvent[] }> {
  const live: DepartureEvent[] = [];
  let total = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const event = JSON.parse(line) as DepartureEvent;
    const ms = Date.parse(event.departed_at);
    if (ms >= toMs) break;
    total += 1;
    if (ms >= liveFromMs) live.push(event);
  }
  return { total, live };
}

function askedBetween(departures: readonly DepartureEvent[], fromMs: number, toMs: number): number {
  return departures.filter(({ departed_at }) => Date.parse(departed_at) >= fromMs && Date.parse(departed_at) < toMs)
    .length;
}

/** Publishes what happened in [from, to) and waits until the features have it. Repeatable: an event that comes again counts once. */
async function replay(
  client: MeshClient,
  fromMs: number,
  toMs: number,
  narrator: Narrator | undefined,
  expected: number,
): Promise<{ events: number; seconds: number }> {
  const startedMs = Date.now();
  const events = await patiently(
    async () => {
      let published = 0;
      const request = { sources, fromMs, toMs, speedup: 0, advanceWatermark: true };
      for await (const progress of client.ingest.stream((stub) => stub.replay, request, 600_000)) {
        published = progress.published;
        narrator?.progress(
          progress.finished ? 1 : Math.min(0.99, published / expected),
          `${published} events, ${new Date(progress.eventTimeMs).toISOString().slice(0, 10)}`,
        );
      }
      return published;
    },
    120_000,
    ['not-found'],
  );
  await waitForWatermark(client, toMs);
  return { events, seconds: (Date.now() - startedMs) / 1_000 };
}

async function waitForWatermark(client: MeshClient, toMs: number): Promise<void> {
  const untilMs = Date.now() + 180_000;
  for (;;) {
    const { positions } = await patiently(
      () => client.features.call((stub) => stub.getWatermarks, { streams }, 5_000),
      120_000,
      ['not-found'],
    );
    const lowest = Math.min(...positions.map(({ watermarkMs }) => watermarkMs));
    if (positions.length === streams.length && lowest >= toMs) return;
    if (Date.now() > untilMs)
      throw new Error(
        `the features' watermark stays at ${new Date(lowest).toISOString()}, before ${new Date(toMs).toISOString()}`,
      );
    await sleep(20);
  }
}

interface Live {
  readonly answeredIds: string[];
  readonly latenciesMs: number[];
  readonly events: number;
  readonly predictionsPerSecond: number;
  readonly firstPredictionMs: number;
  readonly askedFromMs: number;
}

/** Slice by slice: publish what happened, wait until the watermark has passed it, then ask for its departures, each as of its own instant. */
async function predictLive(
  client: MeshClient,
  departures: readonly DepartureEvent[],
  toMs: number,
  life: Life,
  narrator: Narrator,
  onSlice: StoryOptions['onSlice'],
): Promise<Live> {
  const metadata = await patiently(
    () => client.gateway.call((stub) => stub.modelMetadata, { name: endpoint, version: '' }, 5_000),
    60_000,
    ['not-found'],
  );
  const askedFromMs = Date.now();
  const [answeredIds, latenciesMs] = [[] as string[], [] as number[]];
  let [events, askingMs, firstPredictionMs] = [0, 0, 0];
  for (let fromMs = liveFromMs; fromMs < toMs; fromMs += sliceMs) {
    const untilMs = Math.min(toMs, fromMs + sliceMs);
    await onSlice?.((fromMs - liveFromMs) / sliceMs);
    events += (await replay(client, fromMs, untilMs, undefined, 0)).events;
    const slice = departures.filter(
      ({ departed_at }) => Date.parse(departed_at) >= fromMs && Date.parse(departed_at) < untilMs,
    );
    const startedMs = Date.now();
    const answers = await predictDepartures(client, metadata, slice, () => (firstPredictionMs ||= Date.now()));
    askingMs += Date.now() - startedMs;
    answeredIds.push(...answers.predictionIds);
    latenciesMs.push(...answers.latenciesMs);
    narrator.progress(
      (untilMs - liveFromMs) / (toMs - liveFromMs),
      `${new Date(untilMs).toISOString().slice(0, 10)}  ${answeredIds.length} predictions`,
    );
    await life.afterSlice(untilMs);
  }
  return {
    answeredIds,
    latenciesMs,
    events,
    predictionsPerSecond: (answeredIds.length / askingMs) * 1_000,
    firstPredictionMs,
    askedFromMs,
  };
}
