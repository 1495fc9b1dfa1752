import { expect, it } from '@jest/globals';
import { FeatureDrift } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { movedFeatures } from './moved-features.js';

const window = (psis: Record<string, number>): FeatureDrift[] =>
  Object.entries(psis).map(([feature, psi]) => FeatureDrift.fromPartial({ feature, psi, drifted: psi > 0.25 }));

it('what drifts more than it usually does is named first; what always drifts, and the score, are not', () => {
  const clean = [0.9, 1, 1.1].map((x) => window({ calendar: 4 * x, speed: 0.02, wind: 0.3 * x }));
  const now = window({ score: 9, calendar: 4.4, wind: 1.2, speed: 0.8, hour: 0.2 });
  expect(movedFeatures(now, clean)).toEqual([
    { feature: 'speed', psi: 0.8, usual: 0.02 },
    { feature: 'wind', psi: 1.2, usual: 0.3 },
  ]);
});

it('without windows before, everything over its threshold is', () => {
  const found = movedFeatures(window({ calendar: 4, wind: 0.3 }), []);
  expect(found).toEqual([
    { feature: 'calendar', psi: 4, usual: Number.NaN },
    { feature: 'wind', psi: 0.3, usual: Number.NaN },
  ]);
});
