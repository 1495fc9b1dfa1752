import { type CallOptions, type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import { FeatureStoreClient } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { GovernanceClient } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { IngestClient } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { TrainerClient } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { ValidatorClient } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { addressSetting } from '#libs/contracts/services.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { type AskedService, askedServices, type ConsoleSettings } from '../console.settings.js';

const clients = {
  registry: RegistryClient,
  ingest: IngestClient,
  validator: ValidatorClient,
  'feature-store': FeatureStoreClient,
  trainer: TrainerClient,
  monitor: MonitorClient,
  governance: GovernanceClient,
} as const satisfies Record<AskedService, unknown>;

type Stubs = { [N in AskedService]: InstanceType<(typeof clients)[N]> };
type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: A) => void,
) => unknown;

const defaultDeadlineMs = 5_000;

/** Everybody whom the console asks: one connection each, and every call in the name of who looks. */
export class MeshPeers {
  private readonly peers: ReadonlyMap<AskedService, Peer<Client>>;

  constructor(settings: ConsoleSettings) {
    const addresses = settings as unknown as Record<string, string>;
    const peers = askedServices.map((name) => {
      const peer = new Peer<Client>(clients[name], name, addresses[addressSetting(name)]!, settings.MILLRACE_TOKEN);
      return [name, peer] as const;
    });
    this.peers = new Map(peers);
  }

  /** The mesh as who sent this request may see it. */
  as(request: AuthenticatedRequest): Mesh {
    const metadata = new Metadata();
    if (request.authorization !== undefined) metadata.set('authorization', request.authorization);
    return new Mesh(this.peers, metadata);
  }

  /** The mesh as the console itself sees it: for what is asked once for all who look. */
  asConsole(): Mesh {
    return new Mesh(this.peers, undefined);
  }

  close(): void {
    for (const peer of this.peers.values()) peer.close();
  }
}

/** Asks services with one caller's token. */
export class Mesh {
  constructor(
    private readonly peers: ReadonlyMap<AskedService, Peer<Client>>,
    private readonly metadata: Metadata | undefined,
  ) {}

  /** Rejects with a MillraceError that names the service: permission-denied where this caller may not, unavailable where it is away. */
  ask<N extends AskedService, Q, A>(
    service: N,
    method: (stub: Stubs[N]) => Unary<Q, A>,
    request: Q,
    deadlineMs = defaultDeadlineMs,
  ): Promise<A> {
    const peer = this.peers.get(service) as unknown as Peer<Stubs[N]>;
    return peer.call(method, request, deadlineMs, undefined, this.metadata);
  }
}
