import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { type Analysis, analyze } from '#deploy/local/launcher/test/clients/perf-analyzer.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { type GatewayBench, startGatewayBench } from './gateway-bench.js';
import { startTensorBench, type TensorBench } from './tensor-bench.js';

const protocols = ['grpc', 'http'] as const;
type Protocol = (typeof protocols)[number];
const folder = mkdtempSync(join(tmpdir(), 'millrace-perf-'));
const requests = 200;
let tabular: GatewayBench;
let tensors: TensorBench;
let monitor: ServiceProcess;
let clickhouse: ClickHouseClient;

beforeAll(async () => {
  const { CLICKHOUSE_URL, KAFKA_BROKERS } = getTestInfrastructure();
  clickhouse = createClient({ url: CLICKHOUSE_URL });
  tabular = await startGatewayBench();
  tensors = await startTensorBench();
  monitor = await startService('monitor', KAFKA_BROKERS, { CLICKHOUSE_URL, ARTIFACTS_DIR: folder });
}, 600_000);
afterAll(async () => {
  await tabular?.stop();
  await tensors?.stop();
  await monitor?.kill('SIGTERM');
  await clickhouse.close();
  rmSync(folder, { recursive: true });
}, 60_000);

function inputData(name: string, data: object[]): string {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify({ data }));
  return file;
}

async function loggedRows(model: string): Promise<number> {
  const query = 'SELECT toUInt32(count()) AS n FROM monitoring.predictions WHERE endpoint = {model: String}';
  const result = await clickhouse.query({ query, query_params: { model }, format: 'JSONEachRow' });
  return (await result.json<{ n: number }>())[0]!.n;
}

/** Runs it, as a person would type it, and expects that what it was answered is in the log, and nothing else. */
async function runs(
  gateway: ServiceProcess,
  protocol: Protocol,
  model: string,
  args: readonly string[],
  rowsEach = 1,
): Promise<Analysis> {
  const answered = 'millrace_inference_gateway_predictions_total';
  const [rows, before] = [await loggedRows(model), await gateway.metric(answered)];
  const address = protocol === 'grpc' ? gateway.grpcAddress : gateway.httpUrl.slice('http://'.length);
  // Without a blank after the colon: perf_analyzer would send it, and HTTP/2 drops a value that begins with one (RFC 9113, 8.2.1).
  const header = `authorization:Bearer ${token}`;
  const got = await analyze(['-i', protocol, '-u', address, '-m', model, '-H', header, ...args]);
  expect(got.failed).toBe(0);
  for (const throughput of got.throughputs) expect(throughput).toBeGreaterThan(0);
  const made = (await gateway.metric(answered)) - before;
  if (args.includes('--request-count')) {
    expect(got.answered).toBe(requests);
    expect(made).toBe(requests * rowsEach);
  } else expect(made).toBeGreaterThanOrEqual(got.answered * rowsEach); // it drops what lies outside its windows
  await until(async () => (await loggedRows(model)) >= rows + made, `${made} predictions of ${model} in the log`);
  expect(await loggedRows(model)).toBe(rows + made);
  return got;
}

const counted = ['--request-count', String(requests), '--concurrency-range', '4'];
const trip = {
  flight_id: ['größer'],
  minute: [100],
  seats: [180],
  distance: [888.5],
  hub: [true],
  at: [992_736_000_000],
};

describe.each(protocols)('perf_analyzer drives the gateway over %s, with a token', (protocol) => {
  it('a tabular endpoint, by columns of zeros', async () => {
    await runs(tabular.gateway, protocol, tabular.single, [...counted, '--input-data', 'zero']);
  }, 600_000);

  it('a tabular endpoint, by batches of rows from a file, text and logical values among them', async () => {
    const file = inputData(`trips-${protocol}`, [trip, { ...trip, minute: [200], hub: [false] }]);
    await runs(tabular.gateway, protocol, tabular.model, [...counted, '-b', '8', '--input-data', file], 8);
  }, 120_000);

  it('a model of tensors, by BYTES of a shape that is given', async () => {
    const file = inputData(`words-${protocol}`, [{ word: ['yes', 'no'] }, { word: ['größer', ''] }]);
    const shape = ['--shape', 'word:2,1', '--input-data', file];
    await runs(tensors.gateway, protocol, tensors.text, [...counted, ...shape]);
  }, 120_000);

  it('a model of tensors, at one rate after the other', async () => {
    // On a busy machine latencies differ between windows, and it would measure until it gives up.
    const patient = ['--measurement-interval', '1000', '--stability-percentage', '999'];
    const rates = ['--request-rate-range', '50:100:50', ...patient];
    const shape = ['--shape', 'image:1,3,4,4'];
    const got = await runs(tensors.gateway, protocol, tensors.image, [...rates, ...shape]);
    expect(got.throughputs).toHaveLength(2);
    expect(got.throughputs[0]).toBeLessThan(got.throughputs[1]!);
  }, 120_000);
});

describe('perf_analyzer', () => {
  it('drives streams', async () => {
    const args = [...counted, '--streaming'];
    await runs(tabular.gateway, 'grpc', tabular.single, [...args, '--input-data', 'zero']);
    await runs(tensors.gateway, 'grpc', tensors.image, [...args, '--shape', 'image:1,3,4,4']);
  }, 120_000);

  it.each(protocols)(
    'is told by the gateway over %s that it has no token, and fails',
    async (protocol) => {
      const { grpcAddress, httpUrl } = tabular.gateway;
      const address = protocol === 'grpc' ? grpcAddress : httpUrl.slice('http://'.length);
      await expect(analyze(['-i', protocol, '-u', address, '-m', tabular.single, ...counted])).rejects.toMatchObject({
        code: 99,
        stderr: expect.stringContaining('authorization: missing'),
      });
    },
    60_000,
  );
});
