import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AccessGuard } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import { TokenAuthenticator } from '#libs/auth/token-authenticator.js';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  Approval,
  type DecideApprovalRequest,
  GovernanceService,
  type ListApprovalsRequest,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { addApprovalsCommands } from '../src/commands/approvals.command.js';
import { actAs } from '../src/connection.js';
import { printedBy } from './printed-by.js';

const [mine, theirs] = ['a-token-of-sixteen-and-more', 'another-token-of-sixteen'];
const address = '127.0.0.1:47199';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-approvals-'));
const people = new TokenAuthenticator(`ann=${mine},risk=${theirs}`, 'ann=admin,risk=admin');
const guard = new AccessGuard(people, new Authorizer(), () => undefined);
const server = new GrpcServer(address, guard, new Readiness(), new Logger('test', 'error'), 200);

const content = { endpoint: 'late', version: { number: '2', onnxSha256: 'onnx' } };
const waiting = Approval.fromPartial({
  digest: `abcdefabcdef${'0'.repeat(52)}`,
  subject: 'rollouts/r-1',
  policy: 'four-eyes',
  requestedBy: 'mesh, for ann',
  state: 'waiting',
  quorum: 2,
  roles: ['model-risk'],
  notRequester: true,
  contentJson: Buffer.from(JSON.stringify(content)),
});
const votes = [{ voter: 'bo', roles: ['model-risk'], approve: true, comment: 'seen', atMs: 5 }];
const approved = Approval.fromPartial({ ...waiting, digest: 'c'.repeat(64), state: 'approved', votes });

/** Who asked for what. */
let asked: { readonly caller: string; readonly request: unknown }[];

beforeAll(async () => {
  const rest = Object.fromEntries(Object.keys(GovernanceService).map((name) => [name, handle.notBuilt]));
  server.addService(GovernanceService, {
    ...rest,
    listApprovals: handle.unary(async (request: ListApprovalsRequest, { caller }) => {
      asked.push({ caller: caller.name, request });
      return { approvals: request.waitingOnly ? [waiting] : [waiting, approved] };
    }),
    decideApproval: handle.unary(async (request: DecideApprovalRequest, { caller }) => {
      asked.push({ caller: caller.name, request });
      return { ...waiting, votes: votes.map((vote) => ({ ...vote, voter: caller.name, comment: request.comment })) };
    }),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const services = { governance: { grpc: address, http: '', log: '' } };
  writeMeshState(folder, { token: mine, callers: { risk: theirs }, services } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
beforeEach(() => {
  asked = [];
});
afterEach(() => actAs(undefined));
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const millrace = (...words: string[]): Promise<string> => printedBy(addApprovalsCommands, 'approvals', ...words);

describe('millrace approvals', () => {
  it('list has a line for each, and --waiting those that wait', async () => {
    const lines = (await millrace('list')).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^abcdefabcdef .* late +2 +waiting +0 of 2 +model-risk +mesh, for ann +four-eyes$/);
    expect(lines[2]).toMatch(/approved +1 of 2/);
    expect(JSON.parse(await millrace('list', '--waiting', '--json'))).toMatchObject([
      { digest: waiting.digest, content },
    ]);
    expect(asked.map(({ request }) => request)).toEqual([{ waitingOnly: false }, { waitingOnly: true }]);
  });

  it('show has all that is approved, and who voted', async () => {
    const shown = await millrace('show', 'abcdefabcdef');
    expect(shown).toMatch(
      /^late: version 2, waiting\nrollouts\/r-1, requested 1970-01-01T00:00:00.000Z by mesh, for ann\n/,
    );
    expect(shown).toMatch(/policy four-eyes: 2 of model-risk, not who requested it\n/);
    expect(shown).toMatch(new RegExp(`"onnxSha256": "onnx"[^]*sha256 ${waiting.digest}\n\nnobody has voted yet\n$`));
    expect(await millrace('show', 'c'.repeat(12))).toMatch(/05Z +bo +model-risk +approve +seen\n$/);
    await expect(millrace('show', 'abc')).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(millrace('show', 'd'.repeat(12))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('approve and reject vote with a comment, as the person or as another caller of mesh.json', async () => {
    await millrace('reject', 'abcdefabcdef');
    actAs('risk');
    expect(await millrace('approve', 'abcdefabcdef', '--comment', 'looked at it')).toMatch(
      /risk +model-risk .*looked at it/,
    );
    expect(asked).toEqual([
      { caller: 'ann', request: { digest: 'abcdefabcdef', approve: false, comment: '' } },
      { caller: 'risk', request: { digest: 'abcdefabcdef', approve: true, comment: 'looked at it' } },
    ]);
    for (const unknown of ['nobody', 'toString']) {
      actAs(unknown);
      await expect(millrace('list')).rejects.toMatchObject({
        code: 'invalid-argument',
        message: `--as "${unknown}": mesh.json has no such caller; it has risk`,
      });
    }
  });
});
