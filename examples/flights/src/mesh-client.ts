import type { MeshState } from '#libs/boot/mesh-state.js';
import { GRPCInferenceServiceClient } from '#libs/contracts/generated/inference/v2/inference.js';
import { FeatureStoreClient } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { GovernanceClient } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { IngestClient } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { TrainerClient } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { ValidatorClient } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';

/** The services of a running mesh, as an application with a token sees them. */
export class MeshClient {
  readonly registry;
  readonly ingest;
  readonly features;
  readonly trainer;
  readonly gateway;
  readonly monitor;
  readonly validator;
  readonly governance;

  constructor(readonly mesh: Pick<MeshState, 'services' | 'token' | 'callers' | 'clickhouseUrl' | 'infrastructure'>) {
    const { services, token } = mesh;
    this.registry = new Peer(RegistryClient, 'registry', services.registry.grpc, token);
    this.ingest = new Peer(IngestClient, 'ingest', services.ingest.grpc, token);
    this.features = new Peer(FeatureStoreClient, 'feature-store', services['feature-store'].grpc, token);
    this.trainer = new Peer(TrainerClient, 'trainer', services.trainer.grpc, token);
    this.gateway = new Peer(GRPCInferenceServiceClient, 'inference-gateway', services['inference-gateway'].grpc, token);
    this.monitor = new Peer(MonitorClient, 'monitor', services.monitor.grpc, token);
    this.validator = new Peer(ValidatorClient, 'validator', services.validator.grpc, token);
    this.governance = new Peer(GovernanceClient, 'governance', services.governance.grpc, token);
  }

  close(): void {
    for (const peer of [
      this.registry,
      this.ingest,
      this.features,
      this.trainer,
      this.gateway,
      this.monitor,
      this.validator,
      this.governance,
    ])
      peer.close();
  }
}

const passing = new Set(['unavailable', 'resource-exhausted', 'deadline-exceeded']);

/** Repeats what failed for a reason that passes, with growing delay: what a careful application does. Safe only for calls that may be repeated. */
export async function patiently<T>(
  call: () => Promise<T>,
  patienceMs = 120_000,
  alsoPassing: readonly string[] = [],
): Promise<T> {
  const untilMs = Date.now() + patienceMs;
  for (let delayMs = 20; ; delayMs = Math.min(500, delayMs * 2)) {
    try {
      return await call();
    } catch (error) {
      const passes = error instanceof MillraceError && (passing.has(error.code) || alsoPassing.includes(error.code));
      if (!passes || Date.now() + delayMs > untilMs) throw error;
      await sleep(delayMs);
    }
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
