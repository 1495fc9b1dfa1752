import { expect, it } from '@jest/globals';
import { Metrics } from './metrics.js';

it('a gauge that is read when it is asked says what is so then; one that is told says what it was told', async () => {
  const metrics = new Metrics('test');
  const { asked, told } = metrics.create({
    asked: { type: 'gauge', name: 'asked_things', help: 'Things' },
    told: { type: 'gauge', name: 'told_things', help: 'Things' },
  });
  let things = 1;
  metrics.readWhenAsked(asked, () => things);
  told.set(things);
  const values = async () => {
    const text = await metrics.registry.metrics();
    return text.match(/^(asked|told)_things\{.*$/gm)!.map((line) => line.replace(/\{.*\}/, ''));
  };
  expect(await values()).toEqual(['asked_things 1', 'told_things 1']);
  things = 2;
  expect(await values()).toEqual(['asked_things 2', 'told_things 1']);
});
