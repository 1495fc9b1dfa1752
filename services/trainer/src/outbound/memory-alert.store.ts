import { AlertStore, type FiringAlert } from '../domain/ports.js';

/** Alerts in memory, for unit tests; it keeps the contract of test/alert-store.contract.ts as Postgres does. */
export class MemoryAlertStore extends AlertStore {
  private readonly newest = new Map<string, { alert: FiringAlert; isOver: boolean }>();

  override async fires(alert: FiringAlert): Promise<boolean> {
    const known = this.newest.get(alert.fingerprint);
    if (known !== undefined) {
      if (known.alert.startsMs > alert.startsMs) return false;
      if (known.alert.startsMs === alert.startsMs && known.isOver) return false;
    }
    this.newest.set(alert.fingerprint, { alert, isOver: false });
    return true;
  }

  override async isOver(fingerprint: string, startsMs: number): Promise<void> {
    const known = this.newest.get(fingerprint);
    if (known !== undefined && known.alert.startsMs <= startsMs) known.isOver = true;
  }

  override async firing(): Promise<FiringAlert[]> {
    return [...this.newest.values()]
      .filter(({ isOver }) => !isOver)
      .map(({ alert }) => alert)
      .sort((a, b) => a.startsMs - b.startsMs || (a.fingerprint < b.fingerprint ? -1 : 1));
  }
}
