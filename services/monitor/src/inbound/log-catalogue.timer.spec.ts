import { expect, it } from '@jest/globals';
import { Logger } from '#libs/telemetry/logger.js';
import { LogCatalogueTimer } from './log-catalogue.timer.js';

it('writes names of features and tasks once, what is new when it is new, and again what was not taken', async () => {
  const models = new Map([['late', { task: 'binary' as const }]]);
  const version = { model: 'late', version: '1', features: ['f'], featureServiceDigest: 'd' };
  const versions = new Map([['late@1', version]]);
  const names = new Map([['d', ['f', 'g']]]);
  const written: unknown[] = [];
  let away = true;
  const take = async (rows: readonly unknown[]): Promise<void> => {
    if (away) throw new Error('ClickHouse is away');
    written.push(...rows);
  };
  const warned: string[] = [];
  const timer = new LogCatalogueTimer(
    1_000,
    { models, versions },
    { all: () => names },
    { insertFeatureNames: take, insertModels: take },
    new Logger('test', 'warn', (line) => warned.push(line)),
  );
  await timer.tell();
  expect([written.length, warned.length]).toEqual([0, 1]);
  expect(warned[0]).toContain('catalogue_not_written');
  away = false;
  await timer.tell();
  await timer.tell();
  const service = { feature_service_digest: 'd', model: '', model_version: '', features: ['f', 'g'] };
  const read = { feature_service_digest: 'd', model: 'late', model_version: '1', features: ['f'] };
  expect(written).toEqual([service, read, { model: 'late', task: 'binary' }]);
  names.set('e', ['g']);
  await timer.tell();
  expect(written.slice(3)).toEqual([{ ...service, feature_service_digest: 'e', features: ['g'] }]);
});
