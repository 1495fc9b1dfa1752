import { type Trigger, TriggerStore } from '../domain/ports.js';

/** Decisions in memory, for unit tests; it keeps the contract of test/trigger-store.contract.ts as Postgres does. */
export class MemoryTriggerStore extends TriggerStore {
  readonly all = new Map<string, Trigger>();

  override async add(trigger: Trigger): Promise<void> {
    if (this.all.has(trigger.triggerKey)) throw new Error(`trigger ${trigger.triggerKey} is decided already`);
    this.all.set(trigger.triggerKey, trigger);
  }

  override async latest(pipeline: string, occasion: string): Promise<Trigger | undefined> {
    return [...this.all.values()]
      .filter((one) => one.pipeline === pipeline && one.occasion === occasion)
      .sort((a, b) => b.attempt - a.attempt)[0];
  }

  override async startedSince(pipeline: string, sinceMs: number): Promise<number[]> {
    return [...this.all.values()]
      .filter((one) => one.pipeline === pipeline && one.decision === 'started' && one.decidedMs >= sinceMs)
      .map(({ decidedMs }) => decidedMs)
      .sort((a, b) => a - b);
  }
}
