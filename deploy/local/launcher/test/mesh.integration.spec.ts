import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import { Client } from 'pg';
import type { SupervisedProcess } from '#deploy/local/infra/supervised-process.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { serviceNames } from '#libs/contracts/services.js';
import { launchBrowser, openPage } from '#libs/testing/chromium.js';
import { OtlpCollector } from '#libs/testing/otlp-collector.js';
import type { Account } from '../../../../examples/flights/src/account.js';
import { writeHistory } from '../../../../examples/flights/src/flight-history.js';
import { Narrator } from '../../../../examples/flights/src/narrator.js';
import { MeshClient } from '../../../../examples/flights/src/mesh-client.js';
import { runStory } from '../../../../examples/flights/src/story.js';
import { type Mesh, startMesh } from '../mesh.js';
import { ensurePython, ensureTrainingPython } from '../training-python.js';

const dataDir = mkdtempSync(join(tmpdir(), 'millrace-promises-'));
/** Into the days in which the feed has changed and nobody has noticed it yet: what the mesh does about it then is a story of its own. */
const days = 8;
const slicesPerDay = 4;
const narrator = new Narrator(process.stderr);
const collector = new OtlpCollector();
let mesh: Mesh;
let account: Account;
const killed: string[] = [];
let aboutToKill = false;

/** The flights example on a mesh of its own, while each service in turn, then Kafka, ClickHouse and Redis are killed with -9, each as soon as the one before is back. */
beforeAll(async () => {
  const history = await writeHistory({ hub: 'DEN', from: '2001-04-09', folder: join(dataDir, 'sources', 'flights') });
  // Only what a caller traces is traced.
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = await collector.start();
  process.env['OTEL_TRACES_SAMPLER'] = 'parentbased_always_off';
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
  const onSlice = async (slice: number): Promise<void> => {
    // Slices flow while somebody is down; only where they would run out before the victims do, the next one waits.
    while (days * slicesPerDay - slice <= 2 * victims.length && !mayKill()) await sleep(50);
    const [name, victim] = victims[0] ?? [];
    if (name === undefined || victim === undefined || !mayKill()) return;
    victims.shift();
    aboutToKill = true;
    // Somewhere within the slice: while it is published, or while it is asked for.
    setTimeout(() => {
      narrator.line(`kill -9 ${name}`);
      process.kill(victim.pid!, 'SIGKILL');
      killed.push(name);
      aboutToKill = false;
    }, Math.random() * 400);
  };
  account = await runStory(mesh.state, { history, days, hub: 'DEN', startedMs: Date.now(), onSlice }, narrator);
}, 600_000);

afterAll(async () => {
  await (mesh as Mesh | undefined)?.stop();
  await collector.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/** The one before is dead, and back. */
function mayKill(): boolean {
  return !aboutToKill && everyoneIsReady();
}

function everyoneIsReady(): boolean {
  return [...mesh.processes.values(), ...Object.values(mesh.infrastructure.processes)].every(
    (one) => one.state === 'ready',
  );
}

it('every service, Kafka, ClickHouse and Redis were killed while events and predictions flowed, and came back by themselves', async () => {
  expect(killed).toEqual([...serviceNames, 'kafka', 'clickhouse', 'redis']);
  await eventually(async () => expect(everyoneIsReady()).toBe(true)); // the last is killed at the very end
}, 90_000);

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

it('A rollout neither loses a step nor takes one twice, whatever process is killed when.', async () => {
  expect(account.rollouts.map(({ outcome }) => outcome)).toEqual(['live', 'refused', 'rolled-back']);
  const client = new MeshClient(mesh.state);
  const { rollouts } = await client.registry.call(
    (stub) => stub.listRollouts,
    { endpoint: 'late-arrival', limit: 0 },
    10_000,
  );
  client.close();
  const taken = rollouts.map(({ moves }) => moves.map(({ to, step, movedBy }) => `${to} ${step} by ${movedBy}`));
  expect(taken.toReversed()).toEqual([
    ['pending 0 by mesh', 'live 0 by risk'],
    ['pending 0 by mesh', 'shadow 0 by risk', 'canary 1 by judge', 'canary 2 by judge', 'live 2 by judge'],
    ['pending 0 by mesh', 'shadow 0 by risk', 'canary 1 by local-user', 'canary 2 by local-user', 'aborted 2 by judge'],
  ]);
  for (const { moves, generation } of rollouts) expect(generation).toBe(moves.length);
});

it('The audit log has what was done, proves it, and fails to when one byte of it is changed.', async () => {
  const verified = await millrace('audit', 'verify', '--json');
  expect(verified.code).toBe(0);
  const database = new Client({ connectionString: `${mesh.infrastructure.settings['POSTGRES_URL']}/governance` });
  await database.connect();
  const change = 'UPDATE entries SET leaf = set_byte(leaf, 20, (get_byte(leaf, 20) + $1) % 256) WHERE index = 7';
  await database.query(change, [1]);
  const changed = await millrace('audit', 'verify');
  expect(changed.code).toBe(1);
  expect(changed.stdout + changed.stderr).toMatch(/entry 7/);
  await database.query(change, [255]);
  await database.end();
  expect((await millrace('audit', 'verify')).code).toBe(0);
}, 60_000);

it('Any prediction can be traced to event offsets, feature definitions, dataset snapshot, run, code commit, approvals and rollout steps, and the audit log proves that nothing in that chain was edited or removed.', async () => {
  const query = `SELECT prediction_id FROM monitoring.predictions
    WHERE endpoint = 'late-arrival' AND model_version = '2' AND arm = 'live' AND NOT fallback ORDER BY answered_at LIMIT 1`;
  const logged = await millrace('logs', '--sql', query, '--json');
  const [{ prediction_id: id } = { prediction_id: '' }] = JSON.parse(logged.stdout) as { prediction_id: string }[];
  const { code, stdout } = await millrace('trace', id, '--json');
  const { items } = JSON.parse(stdout) as { items: { kind: string; id: string; facts: Record<string, string> }[] };
  const of = (kind: string) => items.filter((item) => item.kind === kind);
  const facts = (kind: string) => of(kind).map((item) => item.facts);
  expect(items.filter((item) => item.facts['not proved'] !== undefined)).toEqual([]);
  expect(code).toBe(0);
  expect(facts('prediction')).toMatchObject([{ endpoint: 'late-arrival', version: 'late-arrival@2', arm: 'live' }]);
  expect(of('events').map((item) => item.id)).toEqual(expect.arrayContaining(['departures', 'arrivals']));
  for (const one of facts('events')) expect(Object.values(one).join()).toMatch(/up to offset \d+/);
  expect(facts('features')[0]).toMatchObject({
    definition: 'FeatureService',
    meaning: 'the same now',
    generation: '1',
  });
  expect(facts('features').filter((one) => one['definition'] === 'FeatureView').length).toBeGreaterThan(1);
  expect(facts('snapshot')).toMatchObject([
    { sha256: expect.stringMatching(/^[0-9a-f]{64}$/), 'events from': expect.stringMatching(/^2001/) },
  ]);
  expect(facts('run')).toMatchObject([
    { pipeline: 'train-late-arrival', state: 'succeeded', 'requested by': 'local-user' },
  ]);
  expect(of('code')).toHaveLength(1);
  expect(facts('version')).toMatchObject([
    { 'onnx sha256': expect.any(String), proved: expect.stringMatching(/^by audit entry \d+$/) },
  ]);
  expect(facts('approval')).toMatchObject([
    { policy: 'production', state: 'approved', needs: '1 of model-risk', 'vote 1': expect.stringMatching(/^risk /) },
  ]);
  expect(facts('rollout').map((one) => one['move'])).toEqual([
    'begin -> pending',
    'pending -> shadow',
    'shadow -> canary',
    'canary -> canary',
    'canary -> live',
  ]);
  for (const one of facts('rollout')) expect(one['proved']).toMatch(/^by audit entry/);
  for (const one of facts('rollout').slice(2)) expect(one['guardrail logloss']).toMatch(/^pass: harm .* margin 0.01/);
  expect(of('audit').length).toBeGreaterThan(6);
  expect((await millrace('trace', id)).stdout).toMatch(/the audit log bears out all of it\n$/);
  expect(await millrace('trace', 'nobody-1')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no prediction nobody-1 is in the log/),
  });
}, 60_000);

it('A version that a policy asks an approval for is served to nobody until a second person agrees.', async () => {
  expect(statSync(join(dataDir, 'mesh.json')).mode & 0o777).toBe(0o600);
  const file = join(dataDir, 'four-eyes.yaml');
  writeFileSync(
    file,
    `kind: Policy\nname: four-eyes\napprovals: {when: 'endpoint.name == "late-arrival"', roles: [model-risk], notRequester: true}\n`,
  );
  const status = async () =>
    (
      JSON.parse((await millrace('rollout', 'status', 'late-arrival', '--json')).stdout) as {
        rollout: { state: string };
      }
    ).rollout.state;
  expect((await millrace('apply', '-f', file)).code).toBe(0);
  const offered = await millrace('rollout', 'start', 'late-arrival', '--version', '1', '--json');
  const { state, approvalDigest } = JSON.parse(offered.stdout) as { state: string; approvalDigest: string };
  expect(state).toBe('pending');
  const approve = ['approvals', 'approve', approvalDigest.slice(0, 12), '--comment', 'as a test'];
  await eventually(async () => expect((await millrace('approvals', 'list', '--waiting')).stdout).toContain(approve[2]));
  expect((await millrace(...approve)).stderr).toMatch(/one of the roles model-risk is needed, and it has admin/);
  expect(await status()).toBe('pending');
  expect((await millrace('--as', 'risk', 'rollout', 'abort', 'late-arrival')).stderr).toMatch(/risk may not read/);
  await eventually(async () => expect(await millrace('--as', 'risk', ...approve)).toMatchObject({ code: 0 }));
  await eventually(async () => expect(await status()).toBe('shadow'));
  expect((await millrace('rollout', 'abort', 'late-arrival')).code).toBe(0);
  expect((await millrace('delete', 'policy', 'four-eyes')).code).toBe(0);
}, 120_000);
it("The lineage of every training run is told once: that it began, and how it ended, with the training set's hash and the version.", async () => {
  interface Told {
    eventType: string;
    run: { runId: string; facets: { millrace_training: { datasetSha256?: string; modelVersion?: string } } };
    job: { namespace: string; name: string };
  }
  const client = new MeshClient(mesh.state);
  const { runs } = await client.trainer.call((stub) => stub.listRuns, { pipeline: '', limit: 1_000 }, 10_000);
  client.close();
  expect(runs.filter(({ state }) => state === 'succeeded').length).toBeGreaterThanOrEqual(3);
  const url = `http://${mesh.state.services.governance.http}/api/v1/events/lineage?limit=1000`;
  const headers = { authorization: `Bearer ${mesh.state.token}` };
  const types = { succeeded: 'COMPLETE', failed: 'FAIL', refused: 'FAIL', cancelled: 'ABORT' } as Record<
    string,
    string
  >;
  await eventually(async () => {
    const { events } = (await (await fetch(url, { headers })).json()) as { events: Told[] };
    for (const { runId, pipeline, state, datasetSha256, modelVersion } of runs) {
      const told = events.filter((event) => event.run.runId === runId);
      const job = { namespace: 'millrace', name: `trainer.${pipeline}` };
      const facet = { datasetSha256, ...(modelVersion === '' ? {} : { modelVersion }) };
      expect(told).toMatchObject([
        { eventType: types[state], job, run: { facets: { millrace_training: facet } } },
        { eventType: 'START', job },
      ]);
    }
  });
}, 90_000);

const run = promisify(execFile);
const clients = join(projectRoot(), 'deploy/local/launcher/test/clients');

/** A script of the test environment's Python; what it prints, parsed. */
async function python<T>(script: string, ...args: string[]): Promise<T> {
  const interpreter = await ensurePython('python-test', 'requirements-test.lock', (line) => narrator.line(line));
  return JSON.parse((await run(interpreter, [join(clients, script), ...args])).stdout) as T;
}

/** The command as a person types it. */
async function millrace(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, MILLRACE_DATA: dataDir };
  try {
    return {
      code: 0,
      ...(await run(process.execPath, [join(projectRoot(), 'deploy/local/millrace.mjs'), ...args], { env })),
    };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

const departure = {
  flight_id: 'test-1',
  departed_at: '2001-06-17T12:00:00.000Z',
  local_minute: 360,
  local_weekday: 2,
  origin: 'DEN',
  destination: 'ORD',
  distance: 888,
};

describe('people keep the tools they have', () => {
  let predictionIds: string[] = [];

  it('tritonclient gets health, metadata and predictions', async () => {
    const rows = [departure, { ...departure, flight_id: 'test-2', destination: 'LAX', distance: 862 }].map((row) => ({
      ...row,
      departed_at: Date.parse(row.departed_at),
    }));
    const { services, token } = mesh.state;
    const answer = await python<Record<string, unknown>>(
      'triton_client.py',
      services['inference-gateway'].grpc,
      token,
      'late-arrival',
      JSON.stringify(rows),
    );
    expect(answer).toMatchObject({
      live: true,
      ready: true,
      modelReady: true,
      outputs: ['probability', 'prediction_id'],
      id: 'from-triton',
      version: account.model.version,
    });
    expect(answer['unknown']).toMatch(/NOT_FOUND.*Request for unknown model: 'no-such-model' is not found/);
    for (const probability of answer['probabilities'] as number[]) expect(probability).toBeGreaterThan(0);
    predictionIds = (answer['predictionIds'] as string[]).toSorted();
    expect(predictionIds).toHaveLength(2);
  }, 180_000);

  it('@clickhouse/client and clickhouse-connect read those predictions from the log', async () => {
    const url = mesh.state.clickhouseUrl;
    const clickhouse = createClient({ url });
    const query =
      'SELECT prediction_id FROM monitoring.predictions WHERE prediction_id IN {ids: Array(String)} ORDER BY prediction_id';
    const read = async (): Promise<string[]> => {
      const result = await clickhouse.query({ query, query_params: { ids: predictionIds }, format: 'JSONEachRow' });
      return (await result.json<{ prediction_id: string }>()).map((row) => row.prediction_id);
    };
    await eventually(async () => expect(await read()).toEqual(predictionIds));
    await clickhouse.close();
    const { rows } = await python<{ rows: unknown[][] }>(
      'clickhouse_connect_client.py',
      url,
      JSON.stringify(predictionIds),
    );
    expect(rows.map(([id, , features, caller]) => [id, features, caller])).toEqual(
      predictionIds.map((id) => [id, 26, 'local-user']),
    );
  }, 180_000);

  it('CloudEvents SDKs send events in structured, binary and batch mode, and an id that comes twice counts once', async () => {
    const { services, token } = mesh.state;
    const url = `http://${services.ingest.http}/v1/streams/departures/events`;
    const data = (id: string): object => ({ ...departure, flight_id: id, departed_at: '2001-06-30T12:00:00.000Z' });
    expect(
      await python(
        'cloudevents_client.py',
        url,
        token,
        JSON.stringify(data('ce-py-1')),
        JSON.stringify(data('ce-py-2')),
      ),
    ).toEqual([202, 202]);
    const event = new CloudEvent({
      id: 'js-1',
      source: '/js',
      type: 'flight.departed',
      datacontenttype: 'application/json',
      data: data('ce-js-1'),
    });
    const batch = [event.cloneWith({ id: 'js-2', data: data('ce-js-2') }), event].map((one) => one.toJSON());
    const post = async (headers: object, body: unknown): Promise<number> =>
      (
        await fetch(url, {
          method: 'POST',
          headers: { ...(headers as Record<string, string>), authorization: `Bearer ${token}` },
          body: String(body),
        })
      ).status;
    for (const message of [HTTP.binary(event), HTTP.structured(event)])
      expect(await post(message.headers, message.body)).toBe(202);
    expect(await post({ 'content-type': 'application/cloudevents-batch+json' }, JSON.stringify(batch))).toBe(202);
    expect(await post({ 'content-type': 'text/plain' }, 'hello')).toBe(415);
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401);
    const clickhouse = createClient({ url: mesh.state.clickhouseUrl });
    const count = async (): Promise<number> => {
      const result = await clickhouse.query({
        query: "SELECT count() AS n FROM features.stream_departures FINAL WHERE startsWith(flight_id, 'ce-')",
        format: 'JSONEachRow',
      });
      return Number((await result.json<{ n: number }>())[0]!.n);
    };
    await eventually(async () => expect(await count()).toBe(4));
    await clickhouse.close();
  }, 180_000);
});

describe('the millrace command', () => {
  it('reports all twelve mistakes of a folder at their lines, and changes nothing', async () => {
    const before = await millrace('get', '--json');
    const applied = await millrace('apply', '-f', join(projectRoot(), 'libs/definitions/test/mistakes'), '--json');
    expect(applied.code).toBe(2);
    const { problems, applied: didApply } = JSON.parse(applied.stdout) as {
      problems: { line: number; column: number; message: string }[];
      applied: boolean;
    };
    expect(problems).toHaveLength(12);
    expect(didApply).toBe(false);
    expect((await millrace('get', '--json')).stdout).toBe(before.stdout);
  }, 60_000);

  it('applies what is there already without a change', async () => {
    const { code, stdout } = await millrace('apply', '-f', join(projectRoot(), 'examples/flights/definitions'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/0 changed, 21 unchanged/);
  }, 60_000);

  it('knows the state of every service, as one JSON object', async () => {
    const { code, stdout } = await millrace('status', '--json');
    const { services, infrastructure } = JSON.parse(stdout) as {
      services: Record<string, { state: string; grpc: string }>;
      infrastructure: Record<string, string>;
    };
    expect(code).toBe(0);
    expect(Object.keys(services)).toEqual([...serviceNames]);
    for (const { state } of Object.values(services)) expect(state).toBe('ready');
    for (const name of ['kafka', 'clickhouse', 'redis', 'postgres'])
      expect(infrastructure[name]).toMatch(/^127\.0\.0\.1:\d+$/);
  }, 60_000);

  it('asks for a prediction, and finds it in the log', async () => {
    const columns = Object.entries(departure).map(([name, value]) => `${name}=${value}`);
    const { code, stdout, stderr } = await millrace('predict', 'late-arrival', ...columns, '--json');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/"probability"/);
    const { stdout: logs } = await millrace('logs', '--limit', '1', '--json');
    expect(JSON.parse(logs)).toHaveLength(1);
  }, 60_000);

  it('lists quarantined events with their reasons, and replays them without counting one twice', async () => {
    const { stdout } = await millrace('quarantine', 'list', '--json');
    expect(stdout).toMatch(/expect_column_values_to_be_between/);
    expect((await millrace('quarantine', 'replay', 'arrivals')).code).toBe(0);
  }, 60_000);
});

/** A service's spans in a trace, as `<kind> <name>`, in alphabetical order, once they are there. */
const kinds = ['', 'internal', 'server', 'client', 'send', 'process'];
const spansIn = (traceId: string): string[] =>
  collector
    .of(traceId)
    .map(({ service, kind, name }) => `${service}: ${kinds[kind]} ${name.replace(/^(send|process) /, '')}`)
    .toSorted();

describe('one trace follows', () => {
  it("a prediction from the application's call over features and model to the log in ClickHouse", async () => {
    const traceId = randomBytes(16).toString('hex');
    const { predictionId } = await predict('traced-1', `00-${traceId}-${'b'.repeat(16)}-01`);
    const [ask, run] = ['millrace.features.v1.FeatureStore/StreamVectors', 'millrace.worker.v1.InferenceWorker/Infer'];
    await eventually(async () =>
      expect(spansIn(traceId)).toEqual([
        `feature-store: server ${ask}`,
        `inference-gateway: client ${ask}`,
        `inference-gateway: client ${run}`,
        'inference-gateway: send predictions.logged.v1',
        'inference-gateway: server inference.GRPCInferenceService/ModelInfer',
        `inference-worker: server ${run}`,
        'monitor: process predictions.logged.v1',
      ]),
    );
    const clickhouse = createClient({ url: mesh.state.clickhouseUrl });
    const query = 'SELECT trace_id FROM monitoring.predictions WHERE prediction_id = {id: String}';
    const read = async (): Promise<unknown> => {
      const result = await clickhouse.query({ query, query_params: { id: predictionId }, format: 'JSONEachRow' });
      return result.json();
    };
    await eventually(async () => expect(await read()).toEqual([{ trace_id: traceId }]));
    await clickhouse.close();
  }, 120_000);

  it('an event from the door over raw and valid to the features', async () => {
    const traceId = randomBytes(16).toString('hex');
    const { services, token } = mesh.state;
    const data = { ...departure, flight_id: 'traced-2', departed_at: '2001-06-30T12:00:00.000Z' };
    const event = new CloudEvent({ id: 'traced-2', source: '/js', type: 'flight.departed', data });
    const { headers, body } = HTTP.structured(event);
    const { status } = await fetch(`http://${services.ingest.http}/v1/streams/departures/events`, {
      method: 'POST',
      headers: {
        ...(headers as Record<string, string>),
        authorization: `Bearer ${token}`,
        traceparent: `00-${traceId}-${'b'.repeat(16)}-01`,
      },
      body: String(body),
    });
    expect(status).toBe(202);
    await eventually(async () =>
      expect([...new Set(spansIn(traceId))]).toEqual(
        expect.arrayContaining([
          'feature-store: process events.departures.valid.v1',
          'ingest: send events.departures.raw.v1',
          'ingest: server POST /v1/streams/:stream/events',
          'validator: process events.departures.raw.v1',
          'validator: send events.departures.valid.v1',
        ]),
      ),
    );
    const groups = collector.of(traceId).map(({ attributes }) => attributes['messaging.consumer.group.name']);
    expect(groups).toEqual(
      expect.arrayContaining(['feature-store.departures', 'feature-store.departures.history', 'validator.departures']),
    );
  }, 120_000);
});

/** One prediction for a departure, as an application asks for it. */
async function predict(
  id: string,
  traceparent?: string,
): Promise<{ probability: number; fallback: boolean; predictionId: string }> {
  const client = new MeshClient(mesh.state);
  try {
    const text = (name: string, value: string) => ({
      name,
      datatype: 'BYTES',
      shape: [1],
      contents: { bytesContents: [Buffer.from(value)] },
    });
    const int = (name: string, value: number) => ({
      name,
      datatype: 'INT32',
      shape: [1],
      contents: { intContents: [value] },
    });
    const { local_minute, local_weekday, origin, destination, distance, departed_at } = departure;
    const inputs = [
      text('flight_id', id),
      text('departed_at', departed_at),
      text('origin', origin),
      text('destination', destination),
    ];
    const request = ModelInferRequest.fromPartial({
      modelName: 'late-arrival',
      inputs: [
        ...inputs,
        int('local_minute', local_minute),
        int('local_weekday', local_weekday),
        int('distance', distance),
      ],
    });
    if (traceparent !== undefined) client.gateway.metadata.set('traceparent', traceparent);
    const response = await client.gateway.call((stub) => stub.modelInfer, request, 10_000);
    const [scores, ids] = response.rawOutputContents as [Buffer, Buffer];
    return {
      probability: scores.readFloatLE(0),
      fallback: response.parameters['fallback'] !== undefined,
      predictionId: ids.toString('utf8', 4),
    };
  } finally {
    client.close();
  }
}

describe('Losing a dependency degrades, never lies:', () => {
  it('Redis down, declared fallback values and a flag on the answer', async () => {
    const redis = mesh.infrastructure.processes.redis!;
    await redis.stop();
    const without = await predict('no-redis');
    expect(without).toMatchObject({ probability: Math.fround(0.2), fallback: true });
    await redis.start();
    await eventually(async () => expect(await predict('redis-again')).toMatchObject({ fallback: false }));
  }, 60_000);

  it('registry down, last known routes', async () => {
    const registry = mesh.processes.get('registry')!;
    await registry.stop();
    expect(await predict('no-registry')).toMatchObject({ fallback: false });
    await registry.start();
  }, 60_000);

  it('Kafka down, the write-ahead log keeps what is answered, and ships it later', async () => {
    const kafka = mesh.infrastructure.processes.kafka!;
    await kafka.stop();
    const { predictionId } = await predict('no-kafka');
    await kafka.start();
    await eventually(async () => expect(await countLogged(predictionId)).toBe(1));
  }, 90_000);

  it('ClickHouse down, Kafka holds', async () => {
    const clickhouse = mesh.infrastructure.processes.clickhouse!;
    await clickhouse.stop();
    const { predictionId } = await predict('no-clickhouse');
    await sleep(2_000);
    await clickhouse.start();
    await eventually(async () => expect(await countLogged(predictionId)).toBe(1));
  }, 90_000);
});

describe('the console', () => {
  it('shows every page of the story in a browser, without an error and within its content policy', async () => {
    const { url } = JSON.parse((await millrace('console', '--json')).stdout) as { url: string };
    const browser = await launchBrowser();
    try {
      const { page, complaints } = await openPage(browser);
      await page.goto(url);
      for (const name of serviceNames) await page.getByRole('link', { name: `${name}: ready` }).waitFor();
      const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link');
      for (const link of await links.all()) {
        await link.click();
        await page.locator('nav a[aria-current=page]', { hasText: (await link.textContent())! }).waitFor();
        await page.getByText('Asking for').first().waitFor({ state: 'hidden' });
        expect(await page.locator('main .error').allTextContents()).toEqual([]);
      }
      let valid = 0;
      for (const stream of ['departures', 'arrivals']) {
        await page.goto(`${url.split('#')[0]}#/streams?stream=${stream}`);
        await page.getByRole('table', { name: `Columns of ${stream}` }).waitFor();
        const shown = (await page.locator('[data-figure=valid] dd').textContent())!;
        valid += Number(shown.split(' ')[0]!.replaceAll(',', ''));
      }
      // A record that was sent again after a kill is there twice, and counted once by whoever reads it.
      expect(valid).toBeGreaterThanOrEqual(account.events.valid);
      await page.getByRole('list', { name: 'Reasons of the newest' }).getByText('delay').waitFor();
      await page.goto(`${url.split('#')[0]}#/audit?entry=7`);
      await page.getByRole('heading', { name: /^Proof of entry 7 among .* proved$/ }).waitFor();
      await page.getByRole('button', { name: 'Verify' }).click();
      await page.getByText('nothing was changed.').waitFor();
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  }, 120_000);
});

async function countLogged(predictionId: string): Promise<number> {
  const clickhouse = createClient({ url: mesh.state.clickhouseUrl });
  try {
    const query = 'SELECT count() AS n FROM monitoring.predictions WHERE prediction_id = {id: String}';
    const result = await clickhouse.query({ query, query_params: { id: predictionId }, format: 'JSONEachRow' });
    return Number((await result.json<{ n: number }>())[0]!.n);
  } finally {
    await clickhouse.close();
  }
}

async function eventually(check: () => Promise<void>): Promise<void> {
  for (const untilMs = Date.now() + 60_000; ;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > untilMs) throw error;
      await sleep(200);
    }
  }
}
