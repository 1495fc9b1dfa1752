import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { TopicId } from '#libs/contracts/topics.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { Logger } from '#libs/telemetry/logger.js';
import { token } from './service-process.js';

type PartialRoute = Parameters<typeof Route.fromPartial>[0];

/** What a gateway and a worker follow or publish to. */
const topics = ['definitionsChanged', 'modelsChanged', 'routesChanged', 'predictionsLogged', 'auditRecorded'] as const;
const maxArtifactBytes = 1e9;
const servedWithinMs = 30_000;

/** Tells of definitions and routes as the registry would, where a registry would be too much. */
export class ToldRegistry {
  private readonly log: KafkaMessageLog;

  constructor(brokers: string) {
    this.log = new KafkaMessageLog('registry', brokers.split(','), new Wiring(), new Logger('registry', 'error'));
  }

  /** Those that serving needs. @param more of streams, e.g. */
  async ensureTopics(more: readonly { id: TopicId; stream?: string }[] = []): Promise<void> {
    await this.log.ensureTopics([...topics.map((id) => ({ id })), ...more]);
  }

  /** @param definitions by `<Kind>/<name>` @param deleted all of them are gone */
  async tell(
    definitions: Readonly<Record<string, object>>,
    routes: readonly PartialRoute[],
    deleted = false,
  ): Promise<void> {
    const defined = Object.entries(definitions).map(([key, spec]) => {
      const definition = { specJson: Buffer.from(JSON.stringify(spec)), deleted };
      return recordOf(key, DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish());
    });
    const routed = routes.map((route) =>
      recordOf(String(route.endpoint), Route.encode(Route.fromPartial({ ...route, deleted })).finish()),
    );
    await this.log.publisher('definitionsChanged').publish(defined);
    await this.log.publisher('routesChanged').publish(routed);
  }

  close(): Promise<void> {
    return this.log.close();
  }
}

function recordOf(key: string, value: Uint8Array): { key: Buffer; value: Buffer; headers: Record<string, string> } {
  return { key: Buffer.from(key), value: Buffer.from(value), headers: {} };
}

/** Resolves when a gateway says of each that it is ready. @param models names, or `<name>/versions/<version>` */
export async function untilServed(httpUrl: string, models: readonly string[]): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  for (const endMs = Date.now() + servedWithinMs; ; await sleep(50)) {
    const answers = await Promise.all(models.map((name) => fetch(`${httpUrl}/v2/models/${name}/ready`, { headers })));
    const waited = models.filter((_, i) => answers[i]!.status !== 200);
    if (waited.length === 0) return;
    if (Date.now() > endMs) throw new Error(`not ready within ${servedWithinMs / 1_000} s: ${waited.join(', ')}`);
  }
}

/** Puts bytes into the artifact store of a folder. @returns their SHA-256 */
export async function putArtifact(folder: string, bytes: Uint8Array): Promise<string> {
  return (await new ArtifactStore(folder).put(Readable.from([bytes]), maxArtifactBytes)).sha256;
}
