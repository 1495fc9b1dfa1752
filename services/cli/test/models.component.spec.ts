import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import {
  type ArtifactChunk,
  type ModelVersion,
  RegistryService,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { freePort } from '#libs/testing/service-process.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { addModelsCommands } from '../src/commands/models.command.js';
import { printedBy } from './printed-by.js';

const token = 'a-token-of-sixteen-and-more';
const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-models-'));
const file = join(folder, 'model.onnx');
const bytes = Buffer.alloc(700_000, 7);
const sha256 = createHash('sha256').update(bytes).digest('hex');
let server: GrpcServer;
let made: ModelVersion[];

beforeAll(async () => {
  writeFileSync(file, bytes);
  const address = `127.0.0.1:${await freePort()}`;
  server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), new Logger('test', 'error'), 200);
  const rest = Object.fromEntries(Object.keys(RegistryService).map((name) => [name, handle.notBuilt]));
  server.addService(RegistryService, {
    ...rest,
    putArtifact: handle.clientStream(async (stream: AsyncIterable<ArtifactChunk>) => {
      const hash = createHash('sha256');
      let sizeBytes = 0;
      for await (const { data } of stream) {
        hash.update(data);
        sizeBytes += data.length;
      }
      return { sha256: hash.digest('hex'), sizeBytes };
    }),
    createModelVersion: handle.unary(async (version: ModelVersion) => {
      made.push({ ...version, version: String(made.length + 1) });
      return made.at(-1)!;
    }),
    listModelVersions: handle.unary(async () => ({ versions: made })),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  const here = { grpc: address, http: '', log: '' };
  writeMeshState(folder, { token, services: { registry: here } } as unknown as MeshState);
  process.env['MILLRACE_DATA'] = folder;
});
beforeEach(() => {
  made = [];
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const millrace = (...words: string[]): Promise<string> => printedBy(addModelsCommands, 'models', ...words);

describe('millrace models', () => {
  it('register puts an ONNX file whole, and makes a version of it', async () => {
    const printed = await millrace('register', 'words', '--onnx', file);
    expect(made).toMatchObject([{ model: 'words', task: 'tensors', onnxSha256: sha256, features: [] }]);
    expect(printed).toContain('millrace rollout start <endpoint> --version 1');
  });

  it('register names a model of a server elsewhere', async () => {
    await millrace('register', 'words', '--upstream', 'triton:8001', '--upstream-model', 'bert');
    expect(made).toMatchObject([{ onnxSha256: '', upstream: { address: 'triton:8001', model: 'bert', version: '' } }]);
    expect(await millrace('list')).toContain('triton:8001 bert');
  });

  it.each([
    [[], 'one of --onnx <file> and --upstream <host:port> is needed'],
    [['--onnx', file, '--upstream', 'a:1'], 'one of --onnx <file> and --upstream'],
    [['--upstream', 'a:1'], '--upstream and --upstream-model are given together'],
    [['--onnx', file, '--upstream-version', '2'], '--upstream-version is of a model that is served elsewhere'],
    [['--onnx', join(folder, 'none.onnx')], 'no such file'],
  ])('register %j says what is wrong', async (words, message) => {
    await expect(millrace('register', 'words', ...words)).rejects.toThrow(message);
    expect(made).toEqual([]);
  });
});
