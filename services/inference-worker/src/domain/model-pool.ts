import { errorMessage } from '#libs/errors/millrace-error.js';
import { type Fault, fault } from './outcome.js';
import type { LoadedModel, LoadOutcome, ModelLoader, WorkerObserver } from './ports.js';

/** A model that cannot be loaded is not tried again before this: each try reads and hashes the whole artifact. */
const failureKeptMs = 1_000;

interface Entry {
  readonly model: LoadedModel;
  leases: number;
  removed: boolean;
  /** The higher, the later. */
  lastUse: number;
}

export interface PoolBounds {
  readonly maxModels: number;
  /** Of the memory of all of them. */
  readonly maxBytes: number;
}

/** The right to run a model: it is not released before the lease is given back. */
export interface Lease {
  readonly model: LoadedModel;
  giveBack(): void;
}

/**
 * The loaded models, at most `maxModels` and `maxBytes` of memory: one more releases the least recently used, those that no endpoint has live first. Only a model that
 * is ready to run pushes others out, so that for a moment the memory is that of one more. Where all are being run the bounds are passed until one is not.
 */
export class ModelPool {
  private readonly entries = new Map<string, Entry>();
  private readonly loading = new Map<string, Promise<LoadOutcome>>();
  private readonly failures = new Map<string, { readonly outcome: Fault; readonly untilMs: number }>();
  private memoryBytes = 0;
  private uses = 0;
  private live: ReadonlySet<string> = new Set();

  constructor(
    private readonly loader: ModelLoader,
    private readonly bounds: PoolBounds,
    private readonly observer: WorkerObserver,
    private readonly nowMs: () => number,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  has(sha256: string): boolean {
    return this.entries.has(sha256);
  }

  /** Undefined = not loaded. */
  lease(sha256: string): Lease | undefined {
    const entry = this.entries.get(sha256);
    if (entry === undefined) return undefined;
    entry.lastUse = this.uses += 1;
    entry.leases += 1;
    return { model: entry.model, giveBack: () => this.giveBack(entry) };
  }

  /** Loads the model unless it is loaded; who asks at the same time shares one load. */
  async load(sha256: string): Promise<LoadOutcome> {
    const entry = this.entries.get(sha256);
    if (entry !== undefined) {
      entry.lastUse = this.uses += 1;
      return { ok: true, model: entry.model };
    }
    const failure = this.failures.get(sha256);
    if (failure !== undefined && failure.untilMs > this.nowMs()) return failure.outcome;
    let loading = this.loading.get(sha256);
    if (loading === undefined) {
      loading = this.loadNew(sha256).finally(() => this.loading.delete(sha256));
      this.loading.set(sha256, loading);
    }
    return loading;
  }

  /** Which models endpoints have live: these are released last. */
  setLive(live: ReadonlySet<string>): void {
    this.live = live;
  }

  /** Forgets a model; its memory is given back when nobody runs it. */
  unload(sha256: string): void {
    const entry = this.entries.get(sha256);
    if (entry === undefined) return;
    this.entries.delete(sha256);
    this.count(-entry.model.memoryBytes);
    entry.removed = true;
    if (entry.leases === 0) void entry.model.release();
  }

  unloadAll(): void {
    for (const sha256 of this.entries.keys()) this.unload(sha256);
  }

  private async loadNew(sha256: string): Promise<LoadOutcome> {
    const startMs = this.nowMs();
    const outcome = await this.loader.load(sha256).catch((error: unknown) => unreadable(sha256, error));
    this.observer.loaded(outcome.ok ? 'ok' : outcome.code, (this.nowMs() - startMs) / 1_000);
    if (outcome.ok) this.add(sha256, outcome.model);
    else this.remember(sha256, outcome);
    return outcome;
  }

  private add(sha256: string, model: LoadedModel): void {
    this.failures.delete(sha256);
    this.entries.set(sha256, { model, leases: 0, removed: false, lastUse: (this.uses += 1) });
    this.count(model.memoryBytes);
    this.shrink(sha256);
  }

  private count(bytes: number): void {
    this.memoryBytes += bytes;
    this.observer.modelsLoaded(this.entries.size, this.memoryBytes);
  }

  private remember(sha256: string, outcome: Fault): void {
    const now = this.nowMs();
    for (const [other, { untilMs }] of this.failures) if (untilMs <= now) this.failures.delete(other);
    this.failures.set(sha256, { outcome, untilMs: now + failureKeptMs });
  }

  private giveBack(entry: Entry): void {
    entry.leases -= 1;
    if (entry.removed && entry.leases === 0) void entry.model.release();
    else this.shrink();
  }

  private shrink(keep?: string): void {
    while (this.entries.size > this.bounds.maxModels || this.memoryBytes > this.bounds.maxBytes) {
      const idle = [...this.entries]
        .filter(([sha256, { leases }]) => leases === 0 && sha256 !== keep)
        .sort(([, a], [, b]) => a.lastUse - b.lastUse);
      const victim = idle.find(([sha256]) => !this.live.has(sha256)) ?? idle[0];
      if (victim === undefined) return;
      this.unload(victim[0]);
    }
  }
}

function unreadable(sha256: string, error: unknown): Fault {
  return fault('run-failed', `model ${sha256} could not be loaded: ${errorMessage(error)}`);
}
