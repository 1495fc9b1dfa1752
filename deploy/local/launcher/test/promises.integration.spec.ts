import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { SupervisedProcess } from '#deploy/local/infra/supervised-process.js';
import { serviceNames } from '#libs/contracts/services.js';
import type { Account } from '../../../../examples/flights/src/account.js';
import { writeHistory } from '../../../../examples/flights/src/flight-history.js';
import { Narrator } from '../../../../examples/flights/src/narrator.js';
import { runStory } from '../../../../examples/flights/src/story.js';
import { type Mesh, startMesh } from '../mesh.js';
import { ensureTrainingPython } from '../training-python.js';

const dataDir = mkdtempSync(join(tmpdir(), 'millrace-promises-'));
const days = 14;
const narrator = new Narrator(process.stderr);
let mesh: Mesh;
let account: Account;
const killed: string[] = [];

/** The flights example on a mesh of its own, while each service in turn, then Kafka, ClickHouse and Redis are killed with -9, each as soon as the one before is back. */
beforeAll(async () => {
  const history = await writeHistory({ hub: 'DEN', from: '2001-04-09', folder: join(dataDir, 'sources', 'flights') });
  mesh = await startMesh({
    dataDir,
    fresh: false,
    onProgress: (line) => narrator.line(line),
    python: ensureTrainingPython((line) => narrator.line(line)),
  });
  const victims: [string, SupervisedProcess][] = [
    ...serviceNames.map((name) => [name, mesh.processes.get(name)!] as [string, SupervisedProcess]),
    ...(['kafka', 'clickhouse', 'redis'] as const).map(
      (name) => [name, mesh.infrastructure.processes[name]!] as [string, SupervisedProcess],
    ),
  ];
  const onSlice = (): void => {
    const [name, victim] = victims[0] ?? [];
    if (name === undefined || victim === undefined || !everyoneIsReady()) return;
    victims.shift();
    // Somewhere within the slice: while it is published, or while it is asked for.
    setTimeout(() => {
      narrator.line(`kill -9 ${name}`);
      process.kill(victim.pid!, 'SIGKILL');
      killed.push(name);
    }, Math.random() * 400);
  };
  account = await runStory(mesh.state, { history, days, hub: 'DEN', startedMs: Date.now(), onSlice }, narrator);
}, 600_000);

afterAll(async () => {
  await mesh.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

function everyoneIsReady(): boolean {
  return [...mesh.processes.values(), ...Object.values(mesh.infrastructure.processes)].every(
    (one) => one.state === 'ready',
  );
}

it('every service, Kafka, ClickHouse and Redis were killed while events and predictions flowed, and came back by themselves', () => {
  expect(killed).toEqual([...serviceNames, 'kafka', 'clickhouse', 'redis']);
  expect(everyoneIsReady()).toBe(true);
});

it('An acknowledged event is neither lost nor counted twice, whatever process is killed when.', () => {
  const { events } = account;
  expect(events.in).toBeGreaterThan(100_000);
  expect(events.valid + events.quarantined).toBe(events.in);
});

it('An answered prediction is in the log exactly once.', () => {
  const { predictions } = account;
  expect(predictions.answered).toBeGreaterThan(4_000);
  expect(predictions).toMatchObject({ lost: 0, duplicated: 0 });
});

it('The online feature vector equals the offline recomputation, bit for bit, for every logged prediction.', () => {
  const { vectors, predictions } = account;
  expect(vectors.mismatches).toBe(0);
  expect(vectors.compared).toBe(predictions.logged - predictions.fallback);
});
