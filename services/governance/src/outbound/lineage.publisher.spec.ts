import { describe, expect, it } from '@jest/globals';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { checkLineageEvent } from '../domain/lineage-event.js';
import { LineagePublisher } from './lineage.publisher.js';
import type { ReceivedEvent } from './lineage.store.js';

function received(over: object = {}): ReceivedEvent {
  const event = {
    eventTime: '2026-11-24T10:00:00Z',
    producer: 'a:b',
    schemaURL: 'a:c',
    job: { namespace: 'ns://x', name: 'j' },
    ...over,
  };
  return { event: checkLineageEvent(event), text: JSON.stringify(event) };
}
const setUp = (publish: (records: readonly EncodedRecord[]) => Promise<ReadonlyMap<number, number>>) =>
  new LineagePublisher({ publish }, 50);
const unavailable = (message: RegExp) => ({ code: 'unavailable', message: expect.stringMatching(message) });

describe('lineage that came from outside', () => {
  it('is published as it came, by job or dataset, and what another server sent on is marked', async () => {
    const sent: EncodedRecord[] = [];
    const publisher = setUp(async (records) => (sent.push(...records), new Map()));
    const ofJob = received();
    await publisher.publish([ofJob], false);
    await publisher.publish([received({ job: undefined, dataset: { namespace: 'd', name: 'e' } })], true);
    await publisher.publish([], false);
    expect(sent.map(({ key, headers }) => [key?.toString(), headers])).toEqual([
      ['ns://x/j', {}],
      ['d/e', { forwarded: 'true' }],
    ]);
    expect(sent[0]!.value.toString()).toBe(ofJob.text);
  });

  it('is not acknowledged while the broker has not answered, or refuses', async () => {
    const silent = setUp(() => new Promise(() => undefined));
    await expect(silent.publish([received()], false)).rejects.toMatchObject(unavailable(/not answered within 50 ms/));
    const broken = setUp(() => Promise.reject(new Error('no leader')));
    await expect(broken.publish([received()], false)).rejects.toMatchObject(unavailable(/did not take it/));
  });

  it('waits in bounded memory: beyond 64 MiB it is refused at once, until the broker has taken some', async () => {
    let answer = (): void => undefined;
    const publisher = setUp(() => new Promise((resolve) => (answer = () => resolve(new Map()))));
    const large = { ...received(), text: 'x'.repeat(60 * 1024 * 1024) };
    const first = publisher.publish([large], false);
    await expect(publisher.publish([large], false)).rejects.toMatchObject(unavailable(/too many events wait/));
    answer();
    await first;
    const again = publisher.publish([large], false);
    answer();
    await again;
  });
});
