import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Command } from 'commander';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  type ListPredictionsRequest,
  ListPredictionsResponse,
  MonitorService,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addPredictionsCommand } from './predictions.command.js';

const [token, address] = ['a-token-of-sixteen-and-more', '127.0.0.1:47198'];
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
const quiet = new Logger('test', 'error', () => undefined);
const server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), quiet, 200);
const asked: ListPredictionsRequest[] = [];
const one = {
  predictionId: 'w-1',
  endpoint: 'e',
  modelVersion: '2',
  arm: 'canary',
  asOfMs: Date.UTC(2001, 5, 10),
  joinKey: 'k1',
  score: 0.25,
  requestJson: Buffer.from('{"a":1}'),
  features: [1.5, Number.NaN],
  featureNames: ['x', 'y'],
  latencyUs: 1_234,
  featuresUs: 600,
  inferUs: 340,
};
let printed = '';

beforeAll(async () => {
  const list = async (request: ListPredictionsRequest) => {
    asked.push(request);
    const predictions = [
      { ...one, label: 0 },
      { ...one, predictionId: 'w-0', fallback: true, payloadSampledOut: true, featureNames: [] },
    ];
    return ListPredictionsResponse.fromPartial({ predictions, next: 'cursor' });
  };
  server.addService(MonitorService, {
    getPerformance: handle.notBuilt,
    getJudgements: handle.notBuilt,
    getDrift: handle.notBuilt,
    listAlerts: handle.notBuilt,
    listPredictions: handle.unary(list),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const state = { launcherPid: 1, token, services: { monitor: { grpc: address } } };
  writeMeshState(folder, state as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
afterAll(async () => {
  delete process.env['MILLRACE_DATA'];
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  printed = '';
});

async function millrace(...args: string[]): Promise<void> {
  const program = new Command().exitOverride();
  addPredictionsCommand(program);
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed += String(text)), true));
  try {
    await program.parseAsync(['predictions', ...args], { from: 'user' });
  } finally {
    write.mockRestore();
  }
}

describe('millrace predictions list', () => {
  it('prints short aligned columns, and how to go on', async () => {
    await millrace('list', 'e');
    expect(printed).toBe(
      [
        'PREDICTION   AS OF                      VERSION   ARM      KEY   SCORE    LABEL   MS    FEATURES MS   INFER MS',
        'w-1          2001-06-10T00:00:00.000Z   2         canary   k1    0.2500   0       1.2   0.6           0.3',
        'w-0          2001-06-10T00:00:00.000Z   2         canary   k1    0.2500   -       1.2   0.6           0.3        fallback, sampled out',
        'more: --before cursor',
        '',
      ].join('\n'),
    );
    expect(asked.at(-1)).toMatchObject({ endpoint: 'e', limit: 50, fromMs: 0, toMs: 0, label: '', before: '' });
  });

  it('asks by its filters', async () => {
    const filters = ['--version', '2', '--arm', 'canary', '--key', 'k1', '--label', 'known', '--limit', '2'];
    const times = ['--from', '2001-06-10T00:00:00Z', '--to', '2001-06-11T00:00:00Z'];
    await millrace('list', 'e', ...filters, ...times, '--before', 'cursor');
    const wanted = { modelVersion: '2', arm: 'canary', joinKey: 'k1', label: 'known', limit: 2, before: 'cursor' };
    const fromMs = Date.UTC(2001, 5, 10);
    expect(asked.at(-1)).toMatchObject({ ...wanted, fromMs, toMs: fromMs + 86_400_000 });
    await expect(millrace('list', 'e', '--limit', '1001')).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(millrace('list', 'e', '--from', 'June')).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('--json has features by name where names are known, and null where there is no value', async () => {
    await millrace('list', 'e', '--json');
    expect(JSON.parse(printed)).toMatchObject({
      predictions: [
        { label: 0, request: { a: 1 }, features: { x: 1.5, y: null } },
        { label: null, features: [1.5, null] },
      ],
      next: 'cursor',
    });
  });
});
