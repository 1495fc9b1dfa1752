import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { AlertStore, FiringAlert } from '../src/domain/ports.js';

/** What every AlertStore does. */
export function alertStoreContract(open: () => Promise<AlertStore>): void {
  const alertOf = (change: Partial<FiringAlert> = {}): FiringAlert => ({
    fingerprint: randomUUID(),
    startsMs: 1_767_225_600_123,
    model: 'm',
    reason: 'performance',
    summary: 'log-loss 0.5 is above 0.4',
    ...change,
  });
  const firingOf = async (store: AlertStore, ...fingerprints: string[]) =>
    (await store.firing()).filter(({ fingerprint }) => fingerprints.includes(fingerprint));

  it('keeps what fires, once however often it is told, until it is over', async () => {
    const store = await open();
    const alert = alertOf();
    expect([await store.fires(alert), await store.fires(alert)]).toEqual([true, true]);
    expect(await firingOf(store, alert.fingerprint)).toEqual([alert]);
    await store.isOver(alert.fingerprint, alert.startsMs);
    expect(await firingOf(store, alert.fingerprint)).toEqual([]);
  });

  it('does not let an alert that is over fire again, nor one that began before it', async () => {
    const store = await open();
    const alert = alertOf();
    const earlier = { ...alert, startsMs: alert.startsMs - 1 };
    const later = { ...alert, startsMs: alert.startsMs + 1, summary: 'log-loss 0.6 is above 0.4' };
    await store.fires(alert);
    await store.isOver(alert.fingerprint, alert.startsMs);
    expect([await store.fires(alert), await store.fires(earlier)]).toEqual([false, false]);
    expect(await firingOf(store, alert.fingerprint)).toEqual([]);
    expect(await store.fires(later)).toBe(true);
    expect(await store.fires(alert)).toBe(false);
    expect(await firingOf(store, alert.fingerprint)).toEqual([later]);
  });

  it('takes the end of an earlier alert for that of the earlier one only, the end of a later one for both', async () => {
    const store = await open();
    const alert = alertOf();
    await store.isOver(alert.fingerprint, alert.startsMs); // not known yet
    await store.fires(alert);
    await store.isOver(alert.fingerprint, alert.startsMs - 1);
    expect(await firingOf(store, alert.fingerprint)).toEqual([alert]);
    await store.isOver(alert.fingerprint, alert.startsMs + 1);
    expect(await firingOf(store, alert.fingerprint)).toEqual([]);
  });

  it('tells what fires, oldest first', async () => {
    const store = await open();
    const alerts = [30, 10, 20].map((startsMs) => alertOf({ startsMs }));
    for (const alert of alerts) await store.fires(alert);
    const found = await firingOf(store, ...alerts.map(({ fingerprint }) => fingerprint));
    expect(found.map(({ startsMs }) => startsMs)).toEqual([10, 20, 30]);
  });
}
