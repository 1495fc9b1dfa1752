import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { generator } from '#libs/numeric/generator.js';
import { until } from '#libs/testing/until.js';
import { frameType } from '../frame.js';
import { Attacked } from './attacked-process.js';
import { conversation, mutated, type Random } from './mutated-conversations.js';
import { RawPeer } from './raw-peer.js';

jest.setTimeout(120_000);

const conversations = 5_000;
const atOnce = 25;
/** What a server that waits for the rest of something gets before its peer goes away. */
const patienceMs = 40;

let attacked: Attacked;

beforeAll(async () => {
  attacked = await Attacked.start();
});
afterAll(() => attacked.stop());

/** Says it in pieces that end anywhere. @returns how the other end took it */
async function say(bytes: Buffer, random: Random): Promise<'ended' | 'went on'> {
  const peer = await RawPeer.greeting(attacked.port, Buffer.alloc(0));
  for (let at = 0; at < bytes.length && !peer.isOver;) {
    const end = random() < 0.3 ? bytes.length : at + 1 + Math.floor(random() * 200);
    await peer.send(bytes.subarray(at, end));
    at = end;
  }
  await Promise.race([peer.ended(), new Promise((resolve) => setTimeout(resolve, patienceMs))]);
  const how = peer.isOver || peer.goawayCode !== undefined ? 'ended' : 'went on';
  peer.close();
  return how;
}

describe('a server that is told nonsense', () => {
  it('answers the conversation as it was before it was changed', async () => {
    const peer = await RawPeer.greeting(attacked.port, Buffer.concat(conversation()));
    for (const id of [1, 3, 5, 7, 9, 13, 15]) expect([id, await peer.statusOf(id)]).toEqual([id, '0']);
    expect(peer.received.filter(({ type }) => type === frameType.ping)).toHaveLength(1);
    expect(peer.goawayCode).toBeUndefined();
    peer.close();
  });

  it(`goes on after ${conversations} changed ones, serves others meanwhile, and keeps nothing of them`, async () => {
    const random = generator(9113);
    const before = await attacked.memory();
    const seen = { ended: 0, 'went on': 0 };
    const slowestMs = await attacked.during(async () => {
      for (let done = 0; done < conversations; done += atOnce) {
        const said = Array.from({ length: atOnce }, () => say(mutated(conversation(), random), random));
        for (const how of await Promise.all(said)) seen[how] += 1;
      }
    });
    expect(slowestMs).toBeLessThan(1_000);
    expect(seen.ended).toBeGreaterThan(conversations / 10);
    expect(seen['went on']).toBeGreaterThan(conversations / 10);
    await until(
      async () => (await attacked.memory()).heldBytes - before.heldBytes < 16 * 1_048_576,
      'memory to be freed',
    );
  });
});
