import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  type GiveFeedbackRequest,
  PredictionFeedbackService,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort, token } from '#libs/testing/service-process.js';
import { printedBy } from '../../test/printed-by.js';
import { addFeedbackCommand } from './feedback.command.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
const asked: GiveFeedbackRequest[] = [];
let server: GrpcServer;

beforeAll(async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const quiet = new Logger('test', 'error', () => undefined);
  server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), quiet, 200);
  const give = async (request: GiveFeedbackRequest) => {
    asked.push(request);
    return { feedbackIds: ['w-7-f0'] };
  };
  server.addService(PredictionFeedbackService, { give: handle.unary(give) });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const state = { launcherPid: 1, token, services: { 'inference-gateway': { grpc: address } } };
  writeMeshState(folder, state as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
afterAll(async () => {
  delete process.env['MILLRACE_DATA'];
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const feedback = (...args: string[]) => printedBy(addFeedbackCommand, 'feedback', ...args);

it('millrace feedback tells the gateway what became of a prediction, and prints what it was kept as', async () => {
  expect(await feedback('w-1-0', '--label', '1')).toBe('kept as w-7-f0\n');
  expect(asked.at(-1)!.items).toEqual([{ predictionId: 'w-1-0', label: 1, score: undefined, comment: '' }]);
  const more = ['--score', '4.5', '--comment', 'on time', '--json'];
  expect(JSON.parse(await feedback('w-1-0', ...more))).toEqual({ predictionId: 'w-1-0', feedbackId: 'w-7-f0' });
  expect(asked.at(-1)!.items).toEqual([{ predictionId: 'w-1-0', label: undefined, score: 4.5, comment: 'on time' }]);
  await expect(feedback('w-1-0', '--label', 'late')).rejects.toMatchObject({
    code: 'invalid-argument',
    message: '--label "late" is not a number',
  });
  expect(asked).toHaveLength(2);
});
