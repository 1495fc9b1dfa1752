import { expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  AuditEvent,
  GovernanceClient,
  ListAuditEntriesRequest,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { Logger } from '#libs/telemetry/logger.js';
import { governanceFolder } from '#libs/testing/governance-folder.js';
import { startService, token } from '#libs/testing/service-process.js';

it('keeps an event that any service published, and signs with the same key after it was killed', async () => {
  const { KAFKA_BROKERS, POSTGRES_URL, CLICKHOUSE_URL } = getTestInfrastructure();
  const settings = { POSTGRES_URL, CLICKHOUSE_URL, REGISTRY_ADDRESS: '127.0.0.1:1', DATA_DIR: governanceFolder() };
  const log = new KafkaMessageLog('registry', KAFKA_BROKERS.split(','), new Wiring(), new Logger('test', 'error'));
  const publish = async (eventId: string) => {
    const value = Buffer.from(AuditEvent.encode(AuditEvent.fromPartial({ eventId })).finish());
    await log.publisher('auditRecorded').publish([{ key: Buffer.from(eventId), value, headers: {} }]);
  };
  const keys: string[] = [];
  try {
    for (const eventId of ['before-the-kill', 'after-the-kill']) {
      const service = await startService('governance', KAFKA_BROKERS, settings);
      const peer = new Peer(GovernanceClient, 'governance', service.grpcAddress, token);
      try {
        await publish(eventId);
        await found(peer, eventId);
        keys.push((await peer.call((stub) => stub.getTreeHead, { size: 0 }, 5_000)).publicKey);
        expect(await peer.call((stub) => stub.verifyAudit, {}, 5_000)).toMatchObject({ ok: true, problems: [] });
        expect(await service.metric('millrace_governance_entries_total')).toBeGreaterThan(0);
      } finally {
        peer.close();
        await service.kill('SIGKILL');
      }
    }
    expect(keys[1]).toBe(keys[0]);
  } finally {
    await log.close();
  }
}, 120_000);

async function found(peer: Peer<GovernanceClient>, eventId: string): Promise<void> {
  for (const until = Date.now() + 50_000; ;) {
    const request = ListAuditEntriesRequest.fromPartial({ newestFirst: true });
    const { entries } = await peer.call((stub) => stub.listAuditEntries, request, 5_000);
    if (entries.some(({ event }) => event?.eventId === eventId)) return;
    if (Date.now() > until) throw new Error(`event ${eventId} did not become an entry`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
