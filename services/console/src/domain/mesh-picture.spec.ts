import { describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { serviceNames } from '#libs/contracts/services.js';
import type { ServiceView } from '../../views/mesh.view.js';
import { MeshPicture, rowOf } from './mesh-picture.js';
import { type GroupOffsets, ServiceProbe, TopicReader } from './ports.js';

class FakeTopics extends TopicReader {
  topics = new Map<string, number[]>();
  groups: GroupOffsets[] = [];
  asked = 0;
  away = false;

  async ends() {
    if (this.away) throw new MillraceError('unavailable', 'kafka: is away');
    return this.topics;
  }

  async committed() {
    this.asked += 1;
    if (this.away) throw new MillraceError('unavailable', 'kafka: is away');
    return this.groups;
  }
}

class FakeProbe extends ServiceProbe {
  answered = 0;

  async state(name: string): Promise<ServiceView> {
    return { name, state: 'ready', reasons: {} };
  }

  async counter() {
    return this.answered;
  }
}

function setUp() {
  const clock = { nowMs: 1_000_000 };
  const [topics, probe] = [new FakeTopics(), new FakeProbe()];
  return { clock, topics, probe, picture: new MeshPicture(topics, probe, () => clock.nowMs) };
}

describe('a picture of the mesh', () => {
  it('has rates from the second on: what came, by the time between', async () => {
    const { clock, topics, probe, picture } = setUp();
    topics.topics.set('events.trips.raw.v1', [10, 20]);
    probe.answered = 100;
    const first = await picture.frame();
    expect(first.services.map(({ name }) => name)).toEqual(serviceNames);
    expect(first.topics).toMatchObject([{ id: 'rawEvents', stream: 'trips', records: 30, rate: null }]);
    expect(first.predictionRate).toBeNull();
    clock.nowMs += 2_000;
    topics.topics.set('events.trips.raw.v1', [15, 35]);
    probe.answered = 150;
    const second = await picture.frame();
    expect(second.topics[0]).toMatchObject({ records: 50, rate: 10 });
    expect(second.predictionRate).toBe(25);
    expect(picture.history.at(-1)).toMatchObject({ raw: 10, predictions: 25 });
  });

  it('has no rate where a process began to count anew, or after nobody looked', async () => {
    const { clock, probe, picture } = setUp();
    probe.answered = 100;
    await picture.frame();
    clock.nowMs += 1_000;
    probe.answered = 3;
    expect((await picture.frame()).predictionRate).toBeNull();
    clock.nowMs += 1_000;
    probe.answered = 4;
    expect((await picture.frame()).predictionRate).toBe(1);
    picture.forget();
    clock.nowMs += 60_000;
    expect((await picture.frame()).predictionRate).toBeNull();
    // A chart has a gap there: nothing is not nought.
    expect(picture.history.at(-1)).toMatchObject({ raw: null, predictions: null });
  });

  it('says how far each group is behind: of a partition without a position, all of it', async () => {
    const { topics, picture } = setUp();
    topics.topics.set('events.trips.valid.v1', [100, 50, 7]);
    const at = (group: string, offsets: [number, number][]): GroupOffsets => ({
      group,
      topic: 'events.trips.valid.v1',
      offsets: new Map(offsets),
    });
    topics.groups = [
      at('feature-store.trips', [
        [0, 90],
        [1, 50],
        [2, -1],
      ]),
      at('monitor.trips', [
        [0, 100],
        [1, 51],
        [2, 7],
      ]),
    ];
    const [topic] = (await picture.frame()).topics;
    expect(topic!.consumers).toEqual([
      { group: 'feature-store.trips', service: 'feature-store', lag: 17 },
      { group: 'monitor.trips', service: 'monitor', lag: 0 },
    ]);
  });

  it('asks for positions of groups every other second only', async () => {
    const { clock, topics, picture } = setUp();
    for (let i = 0; i < 6; i += 1) {
      await picture.frame();
      clock.nowMs += 1_000;
    }
    expect(topics.asked).toBe(3);
  });

  it('leaves a gap and says why where Kafka is away, and shows the rest', async () => {
    const { topics, picture } = setUp();
    topics.away = true;
    const frame = await picture.frame();
    expect(frame.topics).toEqual([]);
    expect(frame.services).toHaveLength(serviceNames.length);
    expect(frame.problems).toEqual(['topics: kafka: is away', 'consumer lag: kafka: is away']);
  });

  it('keeps the last 600 points and no more', async () => {
    const { clock, picture } = setUp();
    for (let i = 0; i < 605; i += 1) {
      await picture.frame();
      clock.nowMs += 1_000;
    }
    expect(picture.history).toHaveLength(600);
    expect(picture.history[0]!.atMs).toBe(1_005_000);
  });
});

it.each([
  ['events.trips.raw.v1', 'rawEvents', 'trips'],
  ['events.a.b.valid.v1', 'validEvents', 'a.b'],
  ['predictions.logged.v1', 'predictionsLogged', ''],
  ['__consumer_offsets', '', ''],
])('topic %s is of row "%s", stream "%s"', (topic, id, stream) => expect(rowOf(topic)).toEqual({ id, stream }));
