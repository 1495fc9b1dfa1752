import { expect, it } from '@jest/globals';
import { Logger } from '#libs/telemetry/logger.js';
import { TriggerLoop } from './trigger.loop.js';

it('a look that fails is told and tried again, and keeps no other from being made; after the stop there is none', async () => {
  const lines: string[] = [];
  const looked = { schedules: 0, alerts: 0 };
  let enough: () => void = () => undefined;
  const thrice = new Promise<void>((resolve) => (enough = resolve));
  const looks = {
    schedules: async () => {
      looked.schedules++;
      throw new Error('away');
    },
    alerts: async () => {
      if (++looked.alerts === 3) enough();
    },
  };
  const loop = new TriggerLoop(looks, new Logger('test', 'warn', (line) => void lines.push(line)), 1);
  loop.start();
  await thrice;
  await loop.stop();
  const before = { ...looked };
  expect(before).toEqual({ schedules: before.alerts, alerts: before.alerts });
  expect(lines).toHaveLength(before.schedules);
  expect(JSON.parse(lines[0]!)).toMatchObject({ event: 'triggers_wait', at: 'schedules', error: 'away' });
  loop.start();
  await new Promise((resolve) => setImmediate(resolve));
  expect(looked).toEqual(before);
});
