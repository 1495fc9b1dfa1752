import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  GovernanceService,
  Trace,
  type TracePredictionRequest,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addTraceCommand } from '../src/commands/trace.command.js';
import { printedBy } from './printed-by.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47197';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-trace-'));
const guard = adminGuard('tester', token);
const server = new GrpcServer(address, guard, new Readiness(), new Logger('test', 'error'), 200);
const proved = Trace.fromPartial({
  predictionId: 'p-1',
  items: [
    { kind: 'prediction', id: 'p-1', atMs: 5, facts: { endpoint: 'late', score: '0.25' } },
    { kind: 'events', id: 'departures', atMs: 4, facts: { 'partition 0': 'up to offset 7' } },
    { kind: 'snapshot', facts: { 'not recorded': 'the training set' } },
    { kind: 'audit', id: '3', atMs: 2, facts: { proved: 'under the signed head of size 9' } },
  ],
});
const traces = new Map([
  ['p-1', proved],
  ['p-2', Trace.fromPartial({ ...proved, items: [{ kind: 'audit', id: '3', facts: { 'not proved': 'edited' } }] })],
]);

beforeAll(async () => {
  const rest = Object.fromEntries(Object.keys(GovernanceService).map((name) => [name, handle.notBuilt]));
  const tracePrediction = handle.unary(async ({ predictionId }: TracePredictionRequest) => {
    const found = traces.get(predictionId);
    if (found === undefined) throw new MillraceError('not-found', `no prediction ${predictionId} is in the log`);
    return found;
  });
  server.addService(GovernanceService, { ...rest, tracePrediction });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const services = { governance: { grpc: address, http: '', log: '' } };
  writeMeshState(folder, { token, services } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
beforeEach(() => {
  process.exitCode = 0;
});
afterAll(async () => {
  process.exitCode = 0;
  await server.close();
  rmSync(folder, { recursive: true });
});

const millrace = (...words: string[]): Promise<string> => printedBy(addTraceCommand, 'trace', ...words);

describe('millrace trace', () => {
  it('shows each link with its facts, aligned, and what is not recorded', async () => {
    expect(await millrace('p-1')).toBe(`PREDICTION  p-1  1970-01-01T00:00:00.005Z
  endpoint  late
  score     0.25

EVENTS      departures  1970-01-01T00:00:00.004Z
  partition 0  up to offset 7

SNAPSHOT    -
  not recorded  the training set

AUDIT       3  1970-01-01T00:00:00.002Z
  proved  under the signed head of size 9

4 links from the answer back: the audit log bears out all of it
`);
    expect(process.exitCode).toBe(0);
    expect(JSON.parse(await millrace('p-1', '--json'))).toEqual(proved);
  });

  it('ends with 1 where the audit log does not bear it out, as JSON too', async () => {
    expect(await millrace('p-2')).toMatch(/not proved {2}edited\n\n1 links .*: 1 are not proved\n$/);
    expect(process.exitCode).toBe(1);
    process.exitCode = 0;
    await millrace('p-2', '--json');
    expect(process.exitCode).toBe(1);
  });

  it('says which prediction is not in the log', async () => {
    await expect(millrace('p-3')).rejects.toMatchObject({
      code: 'not-found',
      message: 'governance: no prediction p-3 is in the log',
    });
  });
});
