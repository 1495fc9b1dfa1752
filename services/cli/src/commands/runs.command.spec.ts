import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Command } from 'commander';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  type ListRunsRequest,
  Run,
  type StartRunRequest,
  TrainerService,
} from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addRunsCommands } from './runs.command.js';

const [token, address] = ['a-token-of-sixteen-and-more', '127.0.0.1:47197'];
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
const server = new GrpcServer(
  address,
  adminGuard('tester', token),
  new Readiness(),
  new Logger('test', 'error', () => undefined),
  200,
);
const started: StartRunRequest[] = [];
const listed: ListRunsRequest[] = [];
let ends = 'succeeded';
const runOf = (state: string, ...steps: string[]) =>
  Run.fromPartial({
    runId: 'r1',
    pipeline: 'p',
    state,
    reason: 'drift: psi of x is 0.4',
    error: state === 'refused' ? 'a gate does not hold' : '',
    createdMs: 1_000,
    metrics: { 'validate.auc': 0.81 },
    steps: ['dataset', 'train'].map((name, i) => ({ name, state: steps[i] ?? 'pending', message: `${name} done` })),
  });
let printed = '';

beforeAll(async () => {
  server.addService(TrainerService, {
    startRun: handle.unary(async (request: StartRunRequest) => (started.push(request), runOf('pending'))),
    getRun: handle.unary(async () => runOf('running', 'succeeded')),
    watchRun: handle.serverStream(async function* () {
      yield runOf('running', 'running');
      yield runOf('running', 'succeeded', 'running');
      yield runOf(ends, 'succeeded', 'succeeded');
    }),
    listRuns: handle.unary(async (request: ListRunsRequest) => (listed.push(request), { runs: [runOf('running')] })),
    cancelRun: handle.notBuilt,
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const state = { launcherPid: 1, token, services: { trainer: { grpc: address } } };
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
  ends = 'succeeded';
});

/** @returns the exit code that the command left */
async function millrace(...args: string[]): Promise<number> {
  const program = new Command().exitOverride();
  addRunsCommands(program);
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed += String(text)), true));
  process.exitCode = 0;
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode);
  } finally {
    process.exitCode = 0;
    write.mockRestore();
  }
}

describe('millrace train', () => {
  it('starts a run of a window, and names it', async () => {
    expect(await millrace('train', 'p', '--from', '2026-03-01T00:00:00Z', '--to', '2026-03-02T00:00:00Z')).toBe(0);
    const day = Date.UTC(2026, 2, 1);
    expect(started.at(-1)).toMatchObject({ pipeline: 'p', reason: 'manual', dataFromMs: day, dataToMs: day + 864e5 });
    expect(printed).toBe('run r1 of p\n');
  });

  it('--wait tells each step as it succeeds, and how the run ended', async () => {
    expect(await millrace('train', 'p', '--wait')).toBe(0);
    expect(started.at(-1)).toMatchObject({ dataFromMs: 0, dataToMs: 0 });
    expect(printed).toBe('run r1 of p\n  dataset: dataset done\n  train: train done\nsucceeded\n');
  });

  it('--wait exits with 1 unless the run has succeeded', async () => {
    ends = 'refused';
    expect(await millrace('train', 'p', '--wait')).toBe(1);
    expect(printed).toMatch(/refused: a gate does not hold\n$/);
  });

  it('--json prints one value', async () => {
    await millrace('train', 'p', '--wait', '--json');
    expect(JSON.parse(printed)).toMatchObject({ runId: 'r1', state: 'succeeded' });
  });
});

describe('millrace runs', () => {
  it('lists runs of one pipeline or of all', async () => {
    await millrace('runs');
    expect(listed.at(-1)).toEqual({ pipeline: '', limit: 20 });
    expect(printed).toMatch(/^RUN +PIPELINE +STATE +VERSION +REASON +WHEN\nr1 +p +running +- +drift: psi of x is 0.4/);
    await millrace('runs', 'p', '--limit', '3');
    expect(listed.at(-1)).toEqual({ pipeline: 'p', limit: 3 });
    await expect(millrace('runs', '--limit', '0')).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('describe shows one with its steps and metrics; --json as one value', async () => {
    await millrace('runs', 'describe', 'r1');
    expect(printed).toMatch(/dataset +succeeded/);
    expect(printed).toMatch(/validate\.auc +0\.81/);
    printed = '';
    await millrace('runs', 'describe', 'r1', '--json');
    expect(JSON.parse(printed)).toMatchObject({ runId: 'r1', state: 'running' });
  });
});
