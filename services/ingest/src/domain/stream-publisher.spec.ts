import { describe, expect, it } from '@jest/globals';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { StreamPublisher } from './stream-publisher.js';

interface Sent {
  readonly stream: string;
  readonly values: string[];
  readonly bytes: number;
  finish(error?: Error): void;
}

/** A publisher whose sends end when the test says so. */
function controlled(maxWaitingBytes = 10_000_000) {
  const sent: Sent[] = [];
  const waiting: number[] = [];
  const publisher = new StreamPublisher(
    (stream, records) =>
      new Promise((resolve, reject) => {
        const values = records.map(({ value }) => value.toString().slice(0, 10));
        const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
        sent.push({ stream, values, bytes, finish: (error) => (error ? reject(error) : resolve()) });
      }),
    maxWaitingBytes,
    (bytes) => waiting.push(bytes),
  );
  return { publisher, sent, waiting };
}

const record = (value: string): EncodedRecord => ({ key: null, value: Buffer.from(value), headers: {} });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the publisher of a stream', () => {
  it('sends the first at once, and what comes meanwhile together, in order', async () => {
    const { publisher, sent, waiting } = controlled();
    const all = Promise.all(['a', 'b', 'c'].map((value) => publisher.publish('s', [record(value)])));
    const other = publisher.publish('t', [record('x')]);
    await turn();
    expect(sent.map(({ stream, values }) => [stream, values])).toEqual([
      ['s', ['a']],
      ['t', ['x']],
    ]);
    sent[1]!.finish();
    await other;
    sent[0]!.finish();
    await turn();
    expect(sent[2]!.values).toEqual(['b', 'c']);
    sent[2]!.finish();
    await all;
    expect(waiting.at(-1)).toBe(0);
  });

  it('cuts what is too large for one send, and answers when the last part is taken', async () => {
    const { publisher, sent } = controlled();
    let answered = false;
    const done = publisher
      .publish(
        's',
        Array.from({ length: 5 }, () => record('x'.repeat(400_000))),
      )
      .then(() => (answered = true));
    for (let i = 0; i < 3; i++) {
      await turn();
      expect(answered).toBe(false);
      expect(sent[i]!.bytes).toBeLessThanOrEqual(1_000_000);
      sent[i]!.finish();
    }
    await done;
    expect(sent.map(({ values }) => values.length)).toEqual([2, 2, 1]);
  });

  it('fails what a send carried, and goes on', async () => {
    const { publisher, sent, waiting } = controlled();
    const first = publisher.publish('s', [record('a')]);
    const second = publisher.publish('s', [record('b')]);
    await turn();
    sent[0]!.finish(new Error('no broker'));
    await expect(first).rejects.toMatchObject({ code: 'unavailable' });
    await turn();
    sent[1]!.finish();
    await second;
    expect(waiting.at(-1)).toBe(0);
  });

  it('refuses what does not fit, unless nothing waits', async () => {
    const { publisher, sent } = controlled(1_000);
    const large = publisher.publish('s', [record('x'.repeat(5_000))]);
    await expect(publisher.publish('t', [record('y')])).rejects.toMatchObject({ code: 'resource-exhausted' });
    sent[0]!.finish();
    await large;
  });

  it('holds those who wait for room, first come first served, and lets nobody overtake them', async () => {
    const { publisher, sent } = controlled(1_000);
    const all = [
      publisher.publish('s', [record('a'.repeat(800))], 'hold'),
      publisher.publish('s', [record('b'.repeat(800))], 'hold'),
      publisher.publish('s', [record('c')], 'hold'),
    ];
    await expect(publisher.publish('s', [record('d')])).rejects.toMatchObject({ code: 'resource-exhausted' });
    for (let i = 0; i < 2; i++) {
      await turn();
      sent[i]!.finish();
    }
    await turn();
    sent[2]?.finish();
    await Promise.all(all);
    expect(sent.flatMap(({ values }) => values.map((value) => value[0]))).toEqual(['a', 'b', 'c']);
  });

  it('answers at once where there is nothing to publish', async () => {
    const { publisher, sent } = controlled();
    await publisher.publish('s', []);
    expect(sent).toEqual([]);
  });
});
