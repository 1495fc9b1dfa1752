import { describe, expect, it } from '@jest/globals';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { DenialsPublisher, maxWaiting } from './denials.publisher.js';

/** A broker that is away until it is told otherwise. */
function setUp() {
  const sent: AuditEvent[] = [];
  const lines: string[] = [];
  const broker = { away: true, tries: 0 };
  const publish = async (records: readonly EncodedRecord[]) => {
    broker.tries += 1;
    if (broker.away) throw new Error('broker is away');
    sent.push(...records.map(({ value }) => AuditEvent.decode(value)));
    return new Map<number, number>();
  };
  const metrics = new Metrics('test');
  const logger = new Logger('test', 'error', (line) => lines.push(line));
  const publisher = new DenialsPublisher('registry', { publish }, metrics, logger, 1);
  const add = (i: number) =>
    publisher.add({
      caller: { name: 'stranger', roles: ['guest'] },
      action: 'read',
      resource: `models/${i}`,
      method: '/x/Get',
      reason: 'one of the roles admin, service is needed',
    });
  return { sent, lines, broker, metrics, publisher, add };
}

describe('refused calls', () => {
  it('reach the audit log in order once the broker is back, under ids of their own', async () => {
    const { sent, broker, publisher, add } = setUp();
    for (let i = 0; i < 250; i += 1) add(i);
    while (broker.tries < 3) await new Promise((resolve) => setImmediate(resolve));
    broker.away = false;
    await publisher.stop();
    expect(sent.map(({ resource }) => resource)).toEqual(Array.from({ length: 250 }, (_, i) => `models/${i}`));
    expect(new Set(sent.map(({ eventId }) => eventId)).size).toBe(250);
    expect(sent[0]).toMatchObject({
      service: 'registry',
      actor: 'stranger',
      roles: ['guest'],
      action: 'read',
      method: '/x/Get',
      decision: 'deny',
      reason: 'one of the roles admin, service is needed',
    });
  });

  it('that find 1,000 waiting are counted and logged, and those that wait at a stop as well', async () => {
    const { lines, metrics, publisher, add } = setUp();
    for (let i = 0; i < maxWaiting + 2; i += 1) add(i);
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/millrace_access_denied_total\{[^}]*\} 1002/);
    expect(text).toMatch(/millrace_access_denied_unaudited_total\{[^}]*\} 2/);
    expect(lines.join()).toMatch(/denial_not_audited.*models\/1001/);
    await publisher.stop();
    expect(lines.at(-1)).toMatch(/denials_not_audited.*1000/);
  });
});
