import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  Evidence,
  type GetJudgementsRequest,
  GetJudgementsResponse,
  Judgement,
  MonitorService,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  type MoveRolloutRequest,
  RegistryService,
  Rollout,
  Route,
  type SetLiveRequest,
  type StartRolloutRequest,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { addRolloutCommands } from '../src/commands/rollout.command.js';
import { printedBy } from './printed-by.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47196';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
const guard = adminGuard('tester', token);
const server = new GrpcServer(address, guard, new Readiness(), new Logger('test', 'error'), 200);

const shadow = Rollout.fromPartial({
  rolloutId: 'r-1',
  endpoint: 'late',
  model: 'm',
  candidate: { model: 'm', version: '2', features: ['a'] },
  baseline: { model: 'm', version: '1' },
  steps: [
    { kind: 'shadow', predictions: 10 },
    { kind: 'canary', percent: 5, predictions: 20 },
  ],
  guardrailsJson: Buffer.from('{"alpha":0.05}'),
  state: 'shadow',
  generation: 1,
  moves: [{ to: 'shadow', cause: 'new', movedBy: 'ann', movedMs: 0 }],
  cause: 'new',
  startedBy: 'ann',
});
const evidence = Evidence.fromPartial({
  guardrail: 'errors',
  outcome: 'not-yet',
  harm: 0.00125,
  low: Number.NaN,
  high: 0.02,
  margin: 0.01,
  candidateRows: 7,
  baselineRows: 8,
  reason: 'at most 0.02, passes under 0.01',
});

/** What the fakes answer, and what they were asked. */
let rollout: Rollout;
let judge: (request: GetJudgementsRequest) => GetJudgementsResponse;
let previous: { model: string; version: string } | undefined;
let asked: unknown[];

const note = <Q, A>(answer: () => A) =>
  handle.unary(async (request: Q) => {
    asked.push(request);
    return answer();
  });

beforeAll(async () => {
  const known = {
    startRollout: note<StartRolloutRequest, Rollout>(() => rollout),
    getRollout: handle.unary(async () => rollout),
    listRollouts: handle.unary(async () => ({
      rollouts: [rollout, { ...rollout, rolloutId: 'r-0', state: 'aborted' }],
    })),
    moveRollout: note<MoveRolloutRequest, Rollout>(() => ({ ...rollout, state: 'paused', pausedFrom: 'shadow' })),
    getRoute: handle.unary(async () => Route.fromPartial({ live: { version: '2' }, ...(previous && { previous }) })),
    setLive: note<SetLiveRequest, Route>(() =>
      Route.fromPartial({ live: { version: '1' }, previous: { version: '2' } }),
    ),
  };
  const rest = (definition: object) =>
    Object.fromEntries(Object.keys(definition).map((name) => [name, handle.notBuilt]));
  server.addService(RegistryService, { ...rest(RegistryService), ...known });
  const getJudgements = handle.unary(async (request: GetJudgementsRequest) => judge(request));
  server.addService(MonitorService, { ...rest(MonitorService), getJudgements });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const here = { grpc: address, http: '', log: '' };
  writeMeshState(folder, { token, services: { registry: here, monitor: here } } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
beforeEach(() => {
  rollout = shadow;
  previous = undefined;
  asked = [];
  judge = () => GetJudgementsResponse.fromPartial({ judgements: [] });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const millrace = (...words: string[]): Promise<string> => printedBy(addRolloutCommands, 'rollout', ...words);

describe('millrace rollout', () => {
  it('status shows steps, moves with their causes, and each guardrail beside its thresholds', async () => {
    judge = ({ rolloutId, limit }) =>
      GetJudgementsResponse.fromPartial({
        judgements: [
          {
            rolloutId,
            outcome: 'not-yet',
            reason: `newest ${limit}`,
            stepPredictions: 7,
            neededPredictions: 10,
            evidence: [evidence],
          },
        ],
      });
    const lines = (await millrace('status', 'late')).split('\n');
    expect(lines[0]).toBe('late: version 2 of m, shadow, step 0 of 0 to 1');
    expect(lines).toContain('0      shadow   0 %       10            <- now');
    expect(lines.find((line) => line.includes('1970'))).toMatch(
      /^1970-01-01T00:00:00.000Z {3}- +shadow {3}0 +ann {3}new$/,
    );
    expect(lines).toContain('judged 1970-01-01T00:00:00.000Z: not-yet; newest 1');
    expect(lines).toContain('7 of 10 predictions by the candidate in step 0');
    expect(lines.find((line) => line.startsWith('errors'))).toMatch(
      /^errors +not-yet +0\.0012500 +- +0\.020000 +0\.010000 +7 +8 +at most 0\.02, passes under 0\.01$/,
    );
  });

  it('status shows the rollout alone where the monitor does not judge', async () => {
    judge = () => {
      throw new MillraceError('unimplemented', 'not built');
    };
    expect(await millrace('status', 'late')).toMatch(/late: version 2[^]*no judgements: monitor: not built\n$/);
    judge = () => {
      throw new MillraceError('internal', 'broken');
    };
    await expect(millrace('status', 'late')).rejects.toMatchObject({ code: 'internal' });
  });

  it('status --json decodes what a move rests on', async () => {
    const bytes = Buffer.from(Judgement.encode(Judgement.fromPartial({ outcome: 'pass' })).finish());
    rollout = { ...shadow, moves: [{ ...shadow.moves[0]!, judgement: bytes }] };
    expect(JSON.parse(await millrace('status', 'late', '--json'))).toMatchObject({
      rollout: {
        candidate: '2',
        baseline: '1',
        guardrails: { alpha: 0.05 },
        moves: [{ judgement: { outcome: 'pass' } }],
      },
      judgement: null,
    });
  });

  it('status of one that is pending shows whom it waits for, and what is approved', async () => {
    const rule = { policies: ['four-eyes'], roles: ['model-risk', 'lead'], quorum: 2, notRequester: true };
    const approvalJson = Buffer.from('{"endpoint":"late"}');
    const digest = 'abcdef'.repeat(10);
    rollout = Rollout.fromPartial({
      ...shadow,
      state: 'pending',
      approvalDigest: digest,
      approvalRule: rule,
      approvalJson,
    });
    const printed = await millrace('status', 'late');
    expect(printed).toMatch(/^late: version 2 of m, pending\n/);
    expect(printed).toContain(
      'waits for approval abcdefabcdef by 2 of model-risk, lead, not who requested it (policy four-eyes): millrace approvals show abcdefabcdef\n',
    );
    expect(JSON.parse(await millrace('status', 'late', '--json'))).toMatchObject({
      rollout: { state: 'pending', approval: { endpoint: 'late' }, approvalRule: rule },
    });
  });

  it('status without an endpoint has a line for each, history one for each rollout', async () => {
    expect((await millrace('status')).trimEnd().split('\n')).toHaveLength(2);
    expect((await millrace('history')).trimEnd().split('\n')).toHaveLength(3);
    expect(JSON.parse(await millrace('history', 'late', '--json'))).toMatchObject([
      { rolloutId: 'r-1' },
      { state: 'aborted' },
    ]);
  });

  it('status --watch ends with the rollout', async () => {
    rollout = { ...shadow, state: 'live', step: 1 };
    expect(await millrace('status', 'late', '--watch')).toMatch(/^late: version 2 of m, live\n[^]*<- live/);
  });

  it('start and the moves ask the registry for what they say', async () => {
    await millrace('start', 'late', '--version', '2', '--from-step', '1', '--cause', 'I know it');
    expect(await millrace('pause', 'late', '--cause', 'lunch')).toMatch(
      /^late: version 2 of m, paused in shadow, step 0/,
    );
    expect(asked).toEqual([
      { endpoint: 'late', version: '2', fromStep: 1, cause: 'I know it' },
      { rolloutId: 'r-1', action: 'pause', cause: 'lunch' },
    ]);
    await expect(millrace('start', 'late', '--version', '2', '--from-step', 'x')).rejects.toMatchObject({
      code: 'invalid-argument',
      message: '--from-step "x" is not a whole number from 0',
    });
  });

  it('undo makes live what was live before, and says so where there is nothing', async () => {
    await expect(millrace('undo', 'late')).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/nothing was live before version 2/),
    });
    previous = { model: 'm', version: '1' };
    expect(await millrace('undo', 'late')).toBe('late: version 1 is live, instead of 2\n');
    expect(asked).toEqual([{ endpoint: 'late', version: '1', cause: 'undo of version 2' }]);
  });
});
