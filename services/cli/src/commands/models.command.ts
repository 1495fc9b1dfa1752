import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  type Artifact,
  ArtifactChunk,
  ModelVersion,
  RegistryClient,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson, printTable } from '../output.js';

interface RegisterOptions extends OutputOptions {
  readonly onnx?: string;
  readonly upstream?: string;
  readonly upstreamModel?: string;
  readonly upstreamVersion?: string;
}

const callMs = 30_000;
const uploadMs = 600_000;
const chunkBytes = 256 * 1_024;
/** Of one artifact: registry.proto. */
const maxFileBytes = 2 ** 30;

export function addModelsCommands(program: Command): void {
  const models = program.command('models').description('models and their versions');
  models
    .command('register')
    .description('a version of a model of task tensors: from an ONNX file, or served elsewhere')
    .argument('<model>')
    .option('--onnx <file>', 'an ONNX file, which workers run')
    .option('--upstream <host:port>', 'a server that speaks the Open Inference Protocol over gRPC')
    .option('--upstream-model <name>', 'the name of the model there')
    .option('--upstream-version <version>', "its version there; left out: the server's own choice")
    .option('--json', 'print one JSON object')
    .action(register);
  models
    .command('list')
    .description('versions, oldest first')
    .argument('[model]', 'of this model only')
    .option('--json', 'print one JSON array')
    .action(list);
}

const withRegistry = <T>(work: (registry: Peer<RegistryClient>) => Promise<T>): Promise<T> =>
  withPeer(RegistryClient, 'registry', work);

/** The registry checks what it is given; here only what would not reach it. */
async function register(model: string, options: RegisterOptions): Promise<void> {
  const { onnx, upstream, upstreamModel, upstreamVersion } = options;
  if ((onnx === undefined) === (upstream === undefined))
    throw new MillraceError('invalid-argument', 'one of --onnx <file> and --upstream <host:port> is needed');
  if ((upstream === undefined) !== (upstreamModel === undefined))
    throw new MillraceError('invalid-argument', '--upstream and --upstream-model are given together');
  if (upstream === undefined && upstreamVersion !== undefined)
    throw new MillraceError('invalid-argument', '--upstream-version is of a model that is served elsewhere');
  const made = await withRegistry(async (registry) => {
    const from =
      onnx === undefined
        ? { upstream: { address: upstream!, model: upstreamModel!, version: upstreamVersion ?? '' } }
        : { onnxSha256: (await put(registry, onnx)).sha256 };
    const version = ModelVersion.fromPartial({ model, task: 'tensors', ...from });
    return registry.call((stub) => stub.createModelVersion, version, callMs);
  });
  if (options.json) return printJson(plain(made));
  print(`version ${made.version} of ${model}, ${originOf(made)}`);
  print(`offer it to an endpoint: millrace rollout start <endpoint> --version ${made.version}`);
}

async function put(registry: Peer<RegistryClient>, path: string): Promise<Artifact> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw new MillraceError('invalid-argument', `--onnx "${path}": ${errorMessage(error)}`, { cause: error });
  });
  if (size < 1 || size > maxFileBytes)
    throw new MillraceError(
      'invalid-argument',
      `--onnx "${path}": ${size} bytes, an artifact has 1 to ${maxFileBytes}`,
    );
  return new Promise((resolve, reject) => {
    const call = registry.stub.putArtifact(registry.metadata, { deadline: Date.now() + uploadMs }, (error, artifact) =>
      error ? reject(fromServiceError(error, 'registry')) : resolve(artifact),
    );
    const file = createReadStream(path, { highWaterMark: chunkBytes });
    file.on('data', (data) => {
      if (call.write(ArtifactChunk.fromPartial({ data: data as Buffer }))) return;
      file.pause();
      call.once('drain', () => file.resume());
    });
    file.on('end', () => call.end());
    file.on('error', (error) => {
      call.cancel();
      reject(new MillraceError('invalid-argument', `--onnx "${path}": ${errorMessage(error)}`, { cause: error }));
    });
  });
}

async function list(model: string | undefined, options: OutputOptions): Promise<void> {
  const request = { model: model ?? '' };
  const { versions } = await withRegistry((registry) =>
    registry.call((stub) => stub.listModelVersions, request, callMs),
  );
  if (options.json) return printJson(versions.map(plain));
  const rows = versions.map((one) => [
    one.model,
    one.version,
    one.task,
    originOf(one),
    one.aliases.join(', '),
    one.runId,
    new Date(one.createdMs).toISOString(),
  ]);
  const headings = ['MODEL', 'VERSION', 'TASK', 'FROM', 'ALIASES', 'RUN', 'CREATED'];
  printTable(headings, rows, 'no versions; a pipeline makes them, or `millrace models register <model>`');
}

function originOf({ onnxSha256, upstream }: ModelVersion): string {
  if (upstream === undefined) return `onnx ${onnxSha256.slice(0, 12)}`;
  return `${upstream.address} ${upstream.model}${upstream.version === '' ? '' : ` version ${upstream.version}`}`;
}

function plain({ model, version, task, onnxSha256, upstream, aliases, runId, metrics, createdMs }: ModelVersion) {
  const from = upstream === undefined ? { onnxSha256 } : { upstream };
  return { model, version, task, ...from, aliases, runId, metrics, created: new Date(createdMs).toISOString() };
}
