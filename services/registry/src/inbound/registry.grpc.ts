import {
  type Artifact,
  ArtifactChunk,
  RegistryService,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { RegistryMetrics } from '../registry.metrics.js';
import type { DefinitionsHandlers } from './definitions.handlers.js';
import type { ModelsHandlers } from './models.handlers.js';
import type { RolloutsHandlers } from './rollouts.handlers.js';

const maxArtifactBytes = 2 ** 30;

export function serveRegistry(
  server: GrpcServer,
  definitions: DefinitionsHandlers,
  models: ModelsHandlers,
  rollouts: RolloutsHandlers,
  artifacts: ArtifactStore,
  metrics: RegistryMetrics,
): void {
  server.addService(RegistryService, {
    apply: handle.unary(definitions.apply.bind(definitions)),
    listDefinitions: handle.unary(definitions.list.bind(definitions)),
    deleteDefinition: handle.unary(definitions.delete.bind(definitions)),
    recordRun: handle.unary(models.recordRun.bind(models)),
    getRun: handle.unary(models.getRun.bind(models)),
    createModelVersion: handle.unary(models.createVersion.bind(models)),
    listModelVersions: handle.unary(models.listVersions.bind(models)),
    setAlias: handle.unary(models.setAlias.bind(models)),
    setLive: handle.unary(models.setLive.bind(models)),
    getRoute: handle.unary(models.getRoute.bind(models)),
    startRollout: handle.unary(rollouts.start.bind(rollouts)),
    getRollout: handle.unary(rollouts.get.bind(rollouts)),
    listRollouts: handle.unary(rollouts.list.bind(rollouts)),
    moveRollout: handle.unary(rollouts.move.bind(rollouts)),
    putArtifact: handle.clientStream(async (chunks: AsyncIterable<ArtifactChunk>) => {
      const artifact = await artifacts.put(bytesOf(chunks), maxArtifactBytes);
      metrics.artifactBytes.inc(artifact.sizeBytes);
      return artifact;
    }),
    getArtifact: handle.serverStream((artifact: Artifact) => read(artifacts, artifact)),
  });
  server.addReflection('millrace/registry/v1/registry.proto', `${projectRoot()}/proto`);
}

async function* bytesOf(chunks: AsyncIterable<ArtifactChunk>): AsyncIterable<Uint8Array> {
  for await (const { data } of chunks) yield data;
}

async function* read(artifacts: ArtifactStore, { sha256 }: Artifact): AsyncIterable<ArtifactChunk> {
  if (!(await artifacts.has(sha256))) throw new MillraceError('not-found', `artifact ${sha256} is not in the store`);
  for await (const data of artifacts.stream(sha256)) yield ArtifactChunk.fromPartial({ data: data as Buffer });
}
