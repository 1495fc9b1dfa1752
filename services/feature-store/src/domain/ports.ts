import type { Row } from './rows.js';
import type { ViewPlan } from './plans.js';

/** Where a unit (a stream, or a view of it) stands in one partition. */
export interface Position {
  /** Of the raw topic: the last event applied; -1 = none. */
  readonly sourceOffset: number;
  /** Of the valid topic: the next record to apply. */
  readonly nextOffset: number;
  /** Epoch ms; -1 = none yet. */
  readonly watermarkMs: number;
}

export const startPosition: Position = { sourceOffset: -1, nextOffset: 0, watermarkMs: -1 };

/** Bytes of one view's entity in one bucket, from a known length on. */
export interface LogRead {
  readonly view: ViewPlan;
  readonly entity: string;
  readonly bucket: number;
  readonly knownBytes: number;
}

export interface LogAppend {
  readonly view: ViewPlan;
  readonly entity: string;
  readonly bucket: number;
  readonly records: Buffer;
}

export interface Snapshot {
  /** New bytes for each read, in order. */
  readonly bytes: readonly Buffer[];
  /** unit -> partition -> position */
  readonly positions: ReadonlyMap<string, readonly Position[]>;
}

/** The online store: append-only logs an entity, and how far each unit is, changed and read together. */
export abstract class OnlineStore {
  /** One consistent look: the positions of the units and the new bytes of the logs are of the same instant. */
  abstract read(reads: readonly LogRead[], units: readonly { unit: string; partitions: number }[]): Promise<Snapshot>;
  /**
   * Appends and moves the positions in one step, if every unit still stands where `expected` says; else changes nothing and returns false:
   * another process owns the partition now, or an earlier try succeeded.
   */
  abstract apply(
    partition: number,
    expected: ReadonlyMap<string, Position>,
    next: ReadonlyMap<string, Position>,
    appends: readonly LogAppend[],
  ): Promise<boolean>;
  /** Forgets buckets that no read can touch any more. */
  abstract expire(view: ViewPlan, beforeBucket: number): Promise<void>;
}

/** Every valid event, for ever: what training sets and proofs are made of. */
export abstract class HistoryStore {
  /** Rows of a stream with from <= event time < to, by event time, each event once. */
  abstract rows(stream: string, fromMs: number, toMs: number): AsyncIterable<Row>;
  /** Predictions as logged, for the comparison. */
  abstract loggedVectors(endpoint: string, fromMs: number, toMs: number): AsyncIterable<LoggedVector>;
}

export interface LoggedVector {
  readonly predictionId: string;
  readonly joinKey: string;
  readonly featureService: string;
  readonly featureServiceDigest: string;
  readonly asOfMs: number;
  readonly request: Record<string, unknown>;
  readonly features: readonly number[];
  /** stream -> partition -> last source offset that the vector could see */
  readonly visible: ReadonlyMap<string, readonly number[]>;
}
