import type { ResponseCacheSpec } from '#libs/definitions/definition-kinds.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';

/** What an entry takes beside its key's characters and its value: the map's slot, the entry, the headers of strings. Measured by the heap of 200,000 entries. */
const entryBytes = 230;

/** A row's score, or the outputs of a model of any kind. */
export type CachedAnswer = number | readonly RawTensor[];

interface Entry {
  readonly value: CachedAnswer;
  readonly bytes: number;
  readonly expiresAtMs: number;
  /** Of the looks into the cache, the last that found it. */
  usedAt: number;
}

/** Why an answer is not kept any more. */
export type EvictionReason = 'expired' | 'entries' | 'bytes';

/** What the cache tells of its work. */
export interface CacheObserver {
  looked(endpoint: string, hits: number, misses: number): void;
  evicted(reason: EvictionReason): void;
}

/**
 * Answers by content: the least recently used is forgotten first, by the entries of its endpoint and by the bytes of all of them. What its key is says who asks: version and content in full, so that an
 * answer is one that a run of the same would give.
 */
export class ResponseCache {
  /** By endpoint; each the least recently used first. */
  private readonly endpoints = new Map<string, Map<string, Entry>>();
  private looks = 0;
  private held = 0;

  /** @param maxBytes 0 = nothing is kept @param nowMs a clock that never goes back */
  constructor(
    private readonly maxBytes: number,
    private readonly observer: CacheObserver,
    private readonly nowMs: () => number,
  ) {}

  get bytes(): number {
    return this.held;
  }

  get entries(): number {
    let count = 0;
    for (const entries of this.endpoints.values()) count += entries.size;
    return count;
  }

  get(endpoint: string, key: string): CachedAnswer | undefined {
    const entries = this.endpoints.get(endpoint);
    const entry = entries?.get(key);
    if (entry === undefined) return undefined;
    if (this.nowMs() >= entry.expiresAtMs) {
      this.forget(endpoint, entries!, key, entry, 'expired');
      return undefined;
    }
    entries!.delete(key);
    entries!.set(key, entry);
    entry.usedAt = this.looks += 1;
    return entry.value;
  }

  /** @param valueBytes what the value takes; one that has no room even alone is not kept */
  put(endpoint: string, policy: ResponseCacheSpec, key: string, value: CachedAnswer, valueBytes: number): void {
    const bytes = key.length + valueBytes + entryBytes;
    if (bytes > this.maxBytes) return;
    let entries = this.endpoints.get(endpoint);
    if (entries === undefined) this.endpoints.set(endpoint, (entries = new Map()));
    const before = entries.get(key);
    if (before !== undefined) this.held -= before.bytes;
    entries.delete(key);
    entries.set(key, { value, bytes, expiresAtMs: this.nowMs() + policy.ttlMs, usedAt: (this.looks += 1) });
    this.held += bytes;
    while (entries.size > policy.maxEntries) this.forgetFirst(endpoint, entries, 'entries');
    while (this.held > this.maxBytes) this.forgetOldest();
  }

  told(endpoint: string, hits: number, misses: number): void {
    this.observer.looked(endpoint, hits, misses);
  }

  /** Of all endpoints; they are few, and each has its oldest first. */
  private forgetOldest(): void {
    let [oldest, usedAt] = ['', Number.POSITIVE_INFINITY];
    for (const [endpoint, entries] of this.endpoints)
      for (const entry of entries.values()) {
        if (entry.usedAt < usedAt) [oldest, usedAt] = [endpoint, entry.usedAt];
        break;
      }
    this.forgetFirst(oldest, this.endpoints.get(oldest)!, 'bytes');
  }

  private forgetFirst(endpoint: string, entries: Map<string, Entry>, reason: EvictionReason): void {
    const [first] = entries;
    this.forget(endpoint, entries, first![0], first![1], reason);
  }

  private forget(
    endpoint: string,
    entries: Map<string, Entry>,
    key: string,
    { bytes }: Entry,
    reason: EvictionReason,
  ): void {
    entries.delete(key);
    if (entries.size === 0) this.endpoints.delete(endpoint);
    this.held -= bytes;
    this.observer.evicted(reason);
  }
}
