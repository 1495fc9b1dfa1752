import { describe, expect, it } from '@jest/globals';
import { UnpackingRoom } from './unpacking-room.js';

const all = 64 * 1_048_576;

/** Says which have been let in so far. */
function entered(room: UnpackingRoom, ...wanted: number[]): number[] {
  const inside: number[] = [];
  for (const bytes of wanted) void room.take(bytes).then(() => inside.push(bytes));
  return inside;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('room for what is unpacked', () => {
  it('is given to whoever fits, and the others wait in their order', async () => {
    const room = new UnpackingRoom();
    const inside = entered(room, all - 10, 20, 5);
    await settled();
    expect(inside).toEqual([all - 10]);
    room.give(10);
    await settled();
    expect(inside).toEqual([all - 10, 20]);
    room.give(5);
    await settled();
    expect(inside).toEqual([all - 10, 20, 5]);
  });

  it('is at most all there is: a server whose messages may be larger unpacks one at a time', async () => {
    const room = new UnpackingRoom();
    expect(await room.take(2 * all)).toBe(all);
    const inside = entered(room, 1);
    await settled();
    expect(inside).toEqual([]);
    room.give(all);
    await settled();
    expect(inside).toEqual([1]);
  });
});
