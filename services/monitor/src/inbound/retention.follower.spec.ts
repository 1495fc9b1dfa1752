import { expect, it } from '@jest/globals';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import { Logger } from '#libs/telemetry/logger.js';
import { until } from '#libs/testing/until.js';
import type { Retention } from '../domain/retention.js';
import { RetentionFollower } from './retention.follower.js';

const dayMs = 86_400_000;
type Changed = (key: string, value: Buffer | null) => void;

it('applies what is defined at the start as a whole, then each change of it, and nothing twice', async () => {
  let changed: Changed = () => undefined;
  const define = (key: string, spec: unknown): void => {
    const definition = { specJson: Buffer.from(JSON.stringify(spec)) };
    changed(key, Buffer.from(DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish()));
  };
  const follow = async (_: string, onChange: Changed) => {
    changed = onChange;
    define('Endpoint/late', { name: 'late', log: { features: true, retentionMs: 30 * dayMs } });
    define('Policy/kept', { name: 'kept', access: [], retention: { predictionsMs: 180 * dayMs } });
    return { stop: async () => undefined } as unknown as Consumer;
  };
  const applied: Retention[] = [];
  const store = { apply: async (retention: Retention) => void applied.push(retention) };
  const quiet = new Logger('test', 'error', () => undefined);
  const follower = new RetentionFollower({ follow } as unknown as MessageLog, store, quiet);
  await follower.start();
  await until(() => applied.length === 1);
  expect(applied).toEqual([{ days: 180, endpoints: new Map([['late', 30]]) }]);
  define('Endpoint/late', { name: 'late', log: { features: false, retentionMs: 30 * dayMs } });
  define('Stream/any', { name: 'any' });
  changed('Policy/kept', null);
  await until(() => applied.length === 2);
  expect(applied[1]).toEqual({ days: undefined, endpoints: new Map([['late', 30]]) });
  await follower.stop();
  expect(applied).toHaveLength(2);
});
