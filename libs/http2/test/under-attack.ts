import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { frameFlag, frameType } from '../frame.js';
import { until } from '#libs/testing/until.js';
import { Attacked } from './attacked-process.js';
import { callHeaders, frame, RawPeer } from './raw-peer.js';

export const mebibyte = 1_048_576;
/** Three times what one connection may make the server hold, for a peer that does not read or as messages: there is garbage too. */
const mostGrownBytes = 3 * 64 * mebibyte;
/** For an ordinary call beside an attack, on two cores of which the attacker has one. */
const slowestMs = 1_000;

export const [echo, large, stubborn, chat] = ['Echo', 'Large', 'Stubborn', 'Chat'].map(
  (name) => `/millrace.test.Attacked/${name}`,
) as [string, string, string, string];

/** A server for the tests of a file, and peers for each test. */
export class UnderAttack {
  server!: Attacked;
  private peers: RawPeer[] = [];

  constructor() {
    beforeAll(async () => {
      this.server = await Attacked.start();
      // What the process needs anyway is not counted: code that is compiled, pools that are filled.
      for (let i = 0; i < 200; i++) await this.server.call();
    });
    afterAll(() => this.server.stop());
    beforeEach(() => void (this.peers = []));
    afterEach(() => this.closePeers());
  }

  async connected(values: Readonly<Record<number, number>> = {}): Promise<RawPeer> {
    return this.kept(await RawPeer.connect(this.server.port, values));
  }

  /** One that begins by bytes of its own. */
  async greeting(bytes: Buffer): Promise<RawPeer> {
    return this.kept(await RawPeer.greeting(this.server.port, bytes));
  }

  /** An attack that leaves nothing behind, and beside which others are served. */
  async harmless(attack: () => Promise<unknown>): Promise<void> {
    const before = await this.server.memory();
    expect(await this.server.during(attack)).toBeLessThan(slowestMs);
    this.closePeers();
    await this.server.call();
    expect((await this.server.memory()).peakBytes - before.rssBytes).toBeLessThan(mostGrownBytes);
    // A connection that was thrown out lingers for a second, and buffers are freed a while after their owners.
    const grown = async () => (await this.server.memory()).heldBytes - before.heldBytes;
    await until(async () => (await grown()) < 8 * mebibyte, 'memory to be freed');
  }

  private kept(peer: RawPeer): RawPeer {
    this.peers.push(peer);
    return peer;
  }

  private closePeers(): void {
    for (const peer of this.peers) peer.close();
  }
}

export function repeated(times: number, part: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: times }, (_, i) => part(i)));
}

export function opened(id: number, path = echo): Buffer {
  return frame(frameType.headers, frameFlag.endHeaders, id, callHeaders(path));
}

export function sized(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return payload;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
