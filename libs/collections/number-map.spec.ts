import { describe, expect, it } from '@jest/globals';
import { NumberMap } from './number-map.js';

const entry = (id: number) => ({ id });

describe('NumberMap', () => {
  it('is empty at first', () => {
    const map = new NumberMap();
    expect([map.size, map.get(1), map.delete(1), map.values()]).toEqual([0, undefined, false, []]);
  });

  it('gives what was set last, and nothing that was deleted', () => {
    const map = new NumberMap<{ id: number }>();
    map.set(7, entry(1));
    map.set(7, entry(2));
    expect([map.size, map.get(7)]).toEqual([1, entry(2)]);
    expect([map.delete(7), map.delete(7), map.get(7), map.size]).toEqual([true, false, undefined, 0]);
  });

  it('forgets all when it is cleared, and goes on', () => {
    const map = new NumberMap<{ id: number }>();
    for (let id = 1; id <= 100; id += 1) map.set(id, entry(id));
    map.clear();
    expect([map.size, map.get(50), map.values()]).toEqual([0, undefined, []]);
    map.set(50, entry(50));
    expect(map.values()).toEqual([entry(50)]);
  });

  it.each([
    ['ids that follow each other', (i: number) => i + 1],
    ['odd ids, as of the streams of a client', (i: number) => 2 * i + 1],
    ['ids that a peer has chosen far apart', (i: number) => 65_536 * i + 1],
    ['ids beyond 32 bits', (i: number) => 2 ** 33 + i],
  ])('is what a Map is, through 20,000 changes: %s', (_, idOf) => {
    const [map, model] = [new NumberMap<{ id: number }>(), new Map<number, { id: number }>()];
    const wrong: number[] = [];
    let state = 20_010_610;
    const random = (below: number) => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % below;
    for (let i = 0; i < 20_000; i += 1) {
      // Some stay for long, most leave soon, many at once now and then.
      const id = idOf(random(5) === 0 ? random(300) : Math.floor(i / 2) + random(40));
      if (random(2) === 0) {
        const value = entry(i);
        map.set(id, value);
        model.set(id, value);
      } else if (map.delete(id) !== model.delete(id)) wrong.push(i);
      if (map.get(id) !== model.get(id)) wrong.push(i);
    }
    expect([wrong, map.size]).toEqual([[], model.size]);
    expect([...model].filter(([id, value]) => map.get(id) !== value)).toEqual([]);
    expect(map.values().toSorted((a, b) => a.id - b.id)).toEqual([...model.values()].toSorted((a, b) => a.id - b.id));
  });
});
