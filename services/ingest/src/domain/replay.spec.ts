import { describe, expect, it } from '@jest/globals';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { replay } from './replay.js';
import type { SourceEvent } from './source-rows.js';

async function* source(name: string, stream: string, times: readonly number[]): AsyncGenerator<SourceEvent> {
  for (const [i, eventTimeMs] of times.entries())
    yield { source: name, stream, row: i + 1, eventTimeMs, key: undefined, data: Buffer.from('{}') };
}

function sink() {
  const published: [stream: string, id: string][] = [];
  const publish = async (stream: string, records: readonly EncodedRecord[]): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    for (const { headers } of records) published.push([stream, headers['ce_id']!]);
  };
  return { published, publish };
}

const unstopped = new AbortController().signal;

async function total(progress: AsyncIterable<{ published: number; eventTimeMs: number; finished: boolean }>) {
  let last;
  for await (last of progress);
  return last;
}

describe('a replay', () => {
  it('merges sources by event time, of equal times the source named first, under ids that stay', async () => {
    const { published, publish } = sink();
    const sources = [source('a', 's', [1, 4, 4, 9]), source('b', 's', [2, 4]), source('c', 's', [])];
    expect(await total(replay({ sources, speedup: 0 }, publish, unstopped))).toEqual({
      published: 6,
      eventTimeMs: 9,
      finished: true,
    });
    expect(published.map(([, id]) => id)).toEqual(['a#1', 'b#1', 'a#2', 'a#3', 'b#2', 'a#4']);
  });

  it('publishes many batches of several streams, each stream in order', async () => {
    const { published, publish } = sink();
    const times = Array.from({ length: 9_001 }, (_, i) => i);
    const sources = [source('a', 's', times), source('b', 't', times)];
    expect(await total(replay({ sources, speedup: 0 }, publish, unstopped))).toMatchObject({ published: 18_002 });
    for (const [stream, name] of ['sa', 'tb'].map((pair) => [...pair]))
      expect(published.filter(([s]) => s === stream).map(([, id]) => id)).toEqual(times.map((i) => `${name}#${i + 1}`));
  });

  it('of nothing is finished with nothing', async () => {
    const { publish } = sink();
    expect(await total(replay({ sources: [], speedup: 0 }, publish, unstopped))).toEqual({
      published: 0,
      eventTimeMs: 0,
      finished: true,
    });
  });

  it('keeps the pace of event time', async () => {
    const { publish } = sink();
    const startedMs = performance.now();
    await total(replay({ sources: [source('a', 's', [0, 60_000, 120_000])], speedup: 1_000 }, publish, unstopped));
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(90);
    expect(tookMs).toBeLessThan(1_000);
  });

  it('ends when the caller has gone, though the next event is days away', async () => {
    const { published, publish } = sink();
    const caller = new AbortController();
    setTimeout(() => caller.abort(), 30);
    const sources = [source('a', 's', [0, 10 * 86_400_000])];
    expect(await total(replay({ sources, speedup: 1 }, publish, caller.signal))).toBeUndefined();
    expect(published).toEqual([['s', 'a#1']]);
  });

  it('fails with what publishing failed with', async () => {
    const publish = async (): Promise<void> => {
      throw new Error('no broker');
    };
    const sources = [
      source(
        'a',
        's',
        Array.from({ length: 9_000 }, (_, i) => i),
      ),
    ];
    await expect(total(replay({ sources, speedup: 0 }, publish, unstopped))).rejects.toThrow('no broker');
  });
});
