import { describe, expect, it } from '@jest/globals';
import type { FeatureDrift } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { abandonedAlerts, alertChanges, fingerprintOf } from './alert-changes.js';
import { type Figures, watchEndpoint } from './watch-endpoint.js';

const minutes = 60_000;
const now = Date.UTC(2001, 5, 10);
const onBreach = { performance: ['alert'], drift: ['retrain'], labels: ['alert'], freshness: ['alert'] } as const;
const bare: MonitorSpec = { name: 'm', endpoint: 'e', onBreach };
const basis: Figures = { model: 'late', version: '3', newestMs: now };
const window = { fromMs: now - 60 * minutes, toMs: now };

const feature = (name: string, psi: number, threshold = 0.25): FeatureDrift => ({
  feature: name,
  psi,
  ks: 0,
  js: 0,
  wasserstein: 0,
  rows: 500,
  nullShare: 0,
  referenceNullShare: 0,
  threshold,
  drifted: psi > threshold,
});
const performance = (
  metric: 'logloss' | 'auc',
  value: number,
  half: number,
  limits: { limit?: number; maxIncrease?: number },
  validation?: number,
  rows = 500,
) =>
  watchEndpoint(
    { ...bare, performance: { metric, windowMs: 60 * minutes, minRows: 200, ...limits } },
    {
      ...basis,
      performance: { ...window, rows, value: { value, low: value - half, high: value + half }, validation },
      drift: { ...window, rows: 500, features: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => feature(name, 1)) },
    },
  )[0];

describe('performance', () => {
  it('is breached when the whole interval lies beyond the limit, and not by a value alone', () => {
    expect(performance('logloss', 0.6, 0.05, { limit: 0.5 })).toMatchObject({
      breached: true,
      value: 0.6,
      threshold: 0.5,
    });
    expect(performance('logloss', 0.54, 0.05, { limit: 0.5 })).toMatchObject({ breached: false });
    expect(performance('auc', 0.6, 0.05, { limit: 0.7 })).toMatchObject({ breached: true });
    expect(performance('auc', 0.8, 0.05, { limit: 0.7 })).toMatchObject({ breached: false });
  });

  it('is held against what validation had, where the Monitor says an increase', () => {
    expect(performance('logloss', 0.6, 0.01, { maxIncrease: 0.1 }, 0.5)).toMatchObject({
      breached: true,
      threshold: expect.closeTo(0.55),
    });
    expect(performance('logloss', 0.555, 0.01, { maxIncrease: 0.1 }, 0.5)).toMatchObject({ breached: false });
    expect(performance('auc', 0.7, 0.01, { maxIncrease: 0.1 }, 0.8)).toMatchObject({
      breached: true,
      threshold: expect.closeTo(0.72),
    });
    expect(performance('logloss', 9, 0.01, { maxIncrease: 0.1 })).toBeUndefined();
  });

  it('says value, interval, limit, window and version, and names the five most drifted features', () => {
    const found = performance('logloss', 0.6, 0.05, { maxIncrease: 0.1 }, 0.5)!;
    expect(found.summary).toBe(
      'logloss 0.6 [0.55, 0.65] is within its limit 0.55, validation 0.5: 500 labelled predictions from 2001-06-09T23:00:00.000Z to 2001-06-10T00:00:00.000Z, version 3',
    );
    expect(found.features).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('that is breached names what moved beyond what it usually does instead', () => {
    const spec: MonitorSpec = {
      ...bare,
      performance: { metric: 'logloss', windowMs: 60 * minutes, minRows: 200, limit: 0.5 },
    };
    const value = { value: 0.6, low: 0.59, high: 0.61 };
    const moved = [{ feature: 'speed', psi: 3.1, usual: 0.4 }];
    const figures = { ...basis, performance: { ...window, rows: 500, value, validation: undefined }, moved };
    const finding = watchEndpoint(spec, figures)[0]!;
    expect(finding.features).toEqual(['speed']);
    expect(finding.summary).toContain('; moved beyond what they usually do: speed (psi 3.1, usually 0.4)');
  });

  it('says nothing of too few labels', () => {
    expect(performance('logloss', 9, 0.01, { limit: 0.5 }, undefined, 199)).toBeUndefined();
  });
});

describe('concept drift', () => {
  const spec: MonitorSpec = { ...bare, concept: { windowMs: 60 * minutes, margin: 0.02, minRows: 200 } };
  const found = (value: number, half: number, figures: Partial<Figures> = {}, rows = 500) =>
    watchEndpoint(spec, {
      ...basis,
      concept: { ...window, rows, realised: 0.45, value: { value, low: value - half, high: value + half } },
      ...figures,
    })[0];

  it('is breached when the whole interval lies above the margin, and not by a value alone', () => {
    expect(found(0.05, 0.02)).toMatchObject({ breach: 'concept', breached: true, value: 0.05, threshold: 0.02 });
    expect(found(0.05, 0.04)).toMatchObject({ breached: false });
    expect(found(0.05, 0.02, {}, 199)).toBeUndefined();
  });

  it('says both log-losses, interval and margin, and which features moved beyond what they usually do', () => {
    const moved = [
      { feature: 'speed', psi: 3.1, usual: 0.4 },
      { feature: 'wind', psi: 0.9, usual: Number.NaN },
    ];
    const { summary, features } = found(0.05, 0.02, { moved })!;
    expect(summary).toBe(
      'scores do not mean any more what they did at validation: log-loss 0.45 is 0.05 [0.03, 0.07] more than the 0.4 that calibrated scores of the same rows expect, beyond the margin 0.02: 500 labelled predictions from 2001-06-09T23:00:00.000Z to 2001-06-10T00:00:00.000Z, version 3; moved beyond what they usually do: speed (psi 3.1, usually 0.4), wind (psi 0.9)',
    );
    expect(features).toEqual(['speed', 'wind']);
    expect(found(0.05, 0.02, { moved: [] })!.summary).toContain('no feature has moved beyond what it usually does');
    expect(found(0.01, 0.02)!.summary).toMatch(/^log-loss 0.45 is 0.01 .* within the margin 0.02/);
  });
});

describe('drift', () => {
  const spec: MonitorSpec = {
    ...bare,
    drift: { statistic: 'psi', windowMs: 60 * minutes, threshold: 'auto', minRows: 100 },
  };
  const found = (features: FeatureDrift[], rows = 500) =>
    watchEndpoint(spec, { ...basis, drift: { ...window, rows, features } })[0];

  it('is breached by any feature over its threshold, and names those that are', () => {
    const finding = found([feature('speed', 0.7), feature('wind', 0.3), feature('hour', 0.1)])!;
    expect(finding).toMatchObject({ breached: true, value: 0.7, threshold: 0.25, features: ['speed', 'wind'] });
    expect(finding.summary).toContain(
      'speed has drifted from the training set: psi 0.7, threshold 0.25; 2 of 3 features',
    );
    expect(found([feature('hour', 0.1)])).toMatchObject({ breached: false, features: ['hour'] });
  });

  it('says nothing of too few rows, of no reference, and of features without values', () => {
    expect(found([feature('speed', 9)], 99)).toBeUndefined();
    expect(found([])).toBeUndefined();
    expect(found([feature('speed', Number.NaN)])).toBeUndefined();
  });
});

describe('labels and freshness', () => {
  it('are breached when more are missing, or the lag is longer, than the Monitor allows', () => {
    const spec: MonitorSpec = { ...bare, labels: { maxMissing: 0.2 }, freshness: { maxLagMs: 10 * minutes } };
    const found = (missing: number, lagMs: number) =>
      watchEndpoint(spec, { ...basis, labels: { ...window, due: 1_000, missing }, newestEventMs: now + lagMs });
    expect(found(201, 11 * minutes).map(({ breached }) => breached)).toEqual([true, true]);
    expect(found(200, 10 * minutes).map(({ breached }) => breached)).toEqual([false, false]);
    expect(found(201, 0)[0]!.summary).toContain('20.1 % of 1000 predictions');
    expect(watchEndpoint(spec, basis)).toEqual([]);
    expect(watchEndpoint(spec, { ...basis, labels: { ...window, due: 99, missing: 99 } })).toEqual([]);
  });
});

describe('changes of alerts', () => {
  const spec: MonitorSpec = { ...bare, labels: { maxMissing: 0.2 } };
  const look = (
    missing: number | undefined,
    firing: Map<string, ReturnType<typeof alertChanges>[number]>,
    atMs: number,
  ) => {
    const figures = missing === undefined ? basis : { ...basis, labels: { ...window, due: 1_000, missing } };
    const changes = alertChanges(spec, figures, watchEndpoint(spec, figures), firing, atMs);
    for (const alert of changes)
      if (alert.state === 'firing') firing.set(alert.fingerprint, alert);
      else firing.delete(alert.fingerprint);
    return changes.map(({ state, startsMs, endsMs }) => [state, startsMs, endsMs]);
  };

  it('are one when a breach begins and one when it is over; no data changes nothing', () => {
    const firing = new Map();
    expect(look(100, firing, 1)).toEqual([]);
    expect(look(500, firing, 2)).toEqual([['firing', 2, 0]]);
    expect(look(600, firing, 3)).toEqual([]);
    expect(look(undefined, firing, 4)).toEqual([]);
    expect(look(100, firing, 5)).toEqual([['resolved', 2, 5]]);
    expect(look(100, firing, 6)).toEqual([]);
    expect(look(500, firing, 7)).toEqual([['firing', 7, 0]]);
  });

  it('carry what the Monitor does about the breach, and resolve what nobody watches any more', () => {
    const firing = new Map();
    look(500, firing, 2);
    const [alert] = [...firing.values()];
    expect(alert).toMatchObject({ breach: 'missing-labels', actions: ['alert'], modelVersion: '3' });
    expect(alert.fingerprint).toBe(fingerprintOf('m', 'e', 'missing-labels'));
    expect(abandonedAlerts(new Map([['m', spec]]), firing.values(), 9)).toEqual([]);
    expect(abandonedAlerts(new Map([['m', bare]]), firing.values(), 9)).toMatchObject([
      { state: 'resolved', endsMs: 9 },
    ]);
    expect(abandonedAlerts(new Map(), firing.values(), 9)).toMatchObject([{ state: 'resolved', startsMs: 2 }]);
  });
});
