import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  type GetPerformanceRequest,
  GetPerformanceResponse,
  MonitorService,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addPerformanceCommand } from '../src/commands/performance.command.js';
import { printedBy } from './printed-by.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47197';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
const server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), new Logger('test', 'error'), 200);
const dayMs = 86_400_000;
const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 });
const part = { predictions: 5, labelled: 3, metrics: { auc: estimate(0.7) }, estimated: { auc: estimate(0.8) } };
const found = GetPerformanceResponse.fromPartial({
  predictions: 9,
  labelled: 3,
  metrics: { auc: estimate(0.7), ece: estimate(0.05) },
  estimated: { auc: estimate(0.8), logloss: estimate(0.4) },
  concept: estimate(0.03),
  segments: [{ ...part, segment: 'DEN' }],
  windows: [{ ...part, fromMs: dayMs, toMs: 2 * dayMs }],
});
const asked: GetPerformanceRequest[] = [];
let answer = found;

beforeAll(async () => {
  const rest = Object.fromEntries(Object.keys(MonitorService).map((name) => [name, handle.notBuilt]));
  const getPerformance = handle.unary(async (request: GetPerformanceRequest) => (asked.push(request), answer));
  server.addService(MonitorService, { ...rest, getPerformance });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const here = { grpc: address, http: '', log: '' };
  writeMeshState(folder, { token, services: { monitor: here } } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const millrace = async (...words: string[]): Promise<string[]> =>
  (await printedBy(addPerformanceCommand, 'performance', ...words)).split('\n');

describe('millrace performance', () => {
  it('shows what came true beside what scores said, each with its interval, and concept drift', async () => {
    expect(await millrace('late')).toEqual([
      '9 predictions, 3 labelled',
      '',
      'METRIC    REALISED                  ESTIMATED',
      'auc       0.7000 [0.6900, 0.7100]   0.8000 [0.7900, 0.8100]',
      'logloss   -                         0.4000 [0.3900, 0.4100]',
      'ece       0.0500 [0.0400, 0.0600]   -',
      '',
      'concept drift: 0.0300 [0.0200, 0.0400] nats of log-loss beyond what calibrated scores expect',
      '',
    ]);
    expect(asked.at(-1)).toMatchObject({ endpoint: 'late', modelVersion: '', segment: '', stepMs: 0 });
  });

  it('has a line for each segment and for each window where they are asked for', async () => {
    const lines = await millrace('late', '--segment', 'origin', '--step', '1d', '--version', '2');
    expect(asked.at(-1)).toMatchObject({ modelVersion: '2', segment: 'origin', stepMs: dayMs });
    expect(lines.find((line) => line.startsWith('ORIGIN'))).toMatch(
      /^ORIGIN {3}PREDICTIONS {3}LABELLED {3}AUC +AUC EST/,
    );
    expect(lines.find((line) => line.startsWith('DEN'))).toContain('0.7000 [0.6900, 0.7100]   0.8000 [0.7900, 0.8100]');
    expect(lines.find((line) => line.startsWith('1970-01-02T00:00:00.000Z'))).toContain('   5             3 ');
  });

  it('gives machines the answer as it is, and refuses a step that is no duration', async () => {
    expect(JSON.parse((await millrace('late', '--json')).join('\n'))).toEqual(JSON.parse(JSON.stringify(found)));
    await expect(millrace('late', '--step', 'daily')).rejects.toMatchObject({
      code: 'invalid-argument',
      message: '--step: "daily" is not a duration like 90s, 5m, 24h or 7d',
    });
  });

  it('says what there is none of', async () => {
    answer = GetPerformanceResponse.fromPartial({});
    expect(await millrace('late')).toContain('no labels, and no version with a reference');
  });
});
