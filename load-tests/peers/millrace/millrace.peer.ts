import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '#deploy/local/infra/kafka.process.js';
import { LocalFolder } from '#deploy/local/infra/local-folder.js';
import type { SupervisedProcess } from '#deploy/local/infra/supervised-process.js';
import type { GrpcTransportName } from '#libs/rpc/grpc-transport.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { startService, token } from '#libs/testing/service-process.js';
import { untilServed } from '#libs/testing/told-registry.js';
import { inferRequest, inferScores, modelInfer } from '../open-inference-messages.js';
import type { Peer, PeerModel, Served } from '../peer.js';
import { giveWay, pin } from '../process-tree.js';
import { cores } from '../start-pinned.js';
import { idleFeatureStore, publishEndpoint } from './endpoint.js';

/** How the gateway is other than it is deployed, to find what a part of it costs. */
export interface Variant {
  /** Left out: it does. */
  readonly keepsLog?: boolean;
  /** SIGUSR2 begins and ends a profile of the gateway. */
  readonly profiled?: boolean;
  /** A version that is shown every row beside the live one. */
  readonly shadow?: PeerModel;
}

const loadedFirst = (name: string) => ({
  NODE_OPTIONS: `--import ${join(projectRoot(), 'dist/load-tests/peers/millrace', name)}`,
});
const maxModelBytes = 1e8;

/**
 * The gateway and a worker as they are deployed, two processes on the one core: the caller's token is checked, the route decides which version answers, every
 * prediction with its vector is in the write-ahead log before it is answered, and the log is shipped to a real Kafka, which runs beside the generator.
 * The caller sends the vector whole, so the feature store is not asked.
 */
export class MillracePeer implements Peer {
  readonly name: string;
  readonly streams = true;
  readonly note: string;
  private kafka: { address: string; process: SupervisedProcess } | undefined;
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-peer-'));

  /** @param transport of both hops, caller to gateway and gateway to worker: `wire` is what is deployed */
  constructor(private readonly transport: GrpcTransportName = 'wire') {
    this.name = transport === 'wire' ? 'Millrace' : 'Millrace over stock grpc-js';
    this.note =
      transport === 'wire'
        ? 'gateway and worker, two processes: token checked, routed, every prediction logged and shipped to Kafka (its broker runs on the generator’s core)'
        : 'the same with `GRPC_TRANSPORT=grpc-js`: what the transport is worth';
  }

  async version(): Promise<string> {
    return `node ${process.versions.node}`;
  }

  async serve(model: PeerModel, { keepsLog = true, profiled = false, shadow }: Variant = {}): Promise<Served> {
    this.kafka ??= await this.startBroker();
    const run = mkdtempSync(join(this.folder, `${model.name}-`));
    const artifacts = join(run, 'artifacts');
    for (const { file } of shadow === undefined ? [model] : [model, shadow])
      await new ArtifactStore(artifacts).put(createReadStream(file), maxModelBytes);
    const brokers = this.kafka.address;
    const { endpoint, close } = await publishEndpoint(brokers, model, shadow);
    const features = await idleFeatureStore();
    const worker = await startService('inference-worker', brokers, {
      ARTIFACTS_DIR: artifacts,
      GRPC_TRANSPORT: this.transport,
    });
    const gateway = await startService('inference-gateway', brokers, {
      FEATURE_STORE_ADDRESS: features.address,
      INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
      DATA_DIR: join(run, 'gateway'),
      GRPC_TRANSPORT: this.transport,
      ...(keepsLog ? {} : loadedFirst('without-log.js')),
      ...(profiled ? loadedFirst('cpu-profile.js') : {}),
    });
    const pids = [gateway.pid, worker.pid];
    pin(pids, cores.server);
    await untilServed(gateway.httpUrl, [endpoint]);
    return {
      pids,
      protocol: 'grpc',
      address: gateway.grpcAddress,
      path: modelInfer,
      headers: { authorization: `Bearer ${token}` },
      request: (rows) => inferRequest(endpoint, 'features', rows),
      scores: inferScores,
      stop: async () => {
        for (const service of [gateway, worker]) await service.kill('SIGTERM');
        await features.close();
        await close();
      },
    };
  }

  private async startBroker(): Promise<{ address: string; process: SupervisedProcess }> {
    const kafka = await startKafka(new LocalFolder(this.folder), () => undefined);
    giveWay([kafka.process.pid!]);
    return kafka;
  }

  async close(): Promise<void> {
    await this.kafka?.process.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
