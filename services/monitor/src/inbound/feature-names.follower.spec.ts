import { expect, it } from '@jest/globals';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import { Logger } from '#libs/telemetry/logger.js';
import { FeatureNamesFollower } from './feature-names.follower.js';

const spine = { name: 'trips', eventTime: 'at', schema: [{ name: 'minute', type: 'int32' }], derive: [] } as never;
const serviceOf = (...names: string[]) =>
  ({
    name: 'risk',
    spine: 'trips',
    items: [{ request: names.map((name) => ({ name, expression: 'minute' })) }],
  }) as never;

it('names features by the digest that was logged, also after the feature service has changed', async () => {
  let changed = (_key: string, _value: Buffer | null): void => undefined;
  const follow = async (_topic: string, onChange: typeof changed) => {
    changed = onChange;
    return { stop: async () => undefined } as unknown as Consumer;
  };
  const names = new FeatureNamesFollower({ follow } as unknown as MessageLog, new Logger('test', 'error'));
  await names.start();
  const define = (key: string, spec: unknown): void => {
    const definition = { specJson: Buffer.from(JSON.stringify(spec)) };
    changed(key, Buffer.from(DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish()));
  };
  const [before, after] = [serviceOf('f', 'g'), serviceOf('g')].map((one) => featureServiceDigest(one, [], spine));
  define('FeatureService/risk', serviceOf('f', 'g'));
  expect(names.namesOf(before!)).toEqual([]); // its spine is not known yet
  define('Stream/trips', spine);
  expect(names.namesOf(before!)).toEqual(['f', 'g']);
  define('FeatureService/risk', serviceOf('g'));
  expect(names.namesOf(after!)).toEqual(['g']);
  expect(names.namesOf(before!)).toEqual(['f', 'g']);
  changed('FeatureService/risk', null);
  expect(names.namesOf('another')).toEqual([]);
});
