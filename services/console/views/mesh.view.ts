/** One service as it stands now. */
export interface ServiceView {
  readonly name: string;
  /** away = nothing answers at its address */
  readonly state: 'ready' | 'not-ready' | 'away';
  /** By dependency, of a service that is not ready. */
  readonly reasons: Readonly<Record<string, string>>;
}

export interface LagView {
  /** The consumer group: the service, or `<service>.<stream>`. */
  readonly group: string;
  readonly service: string;
  /** Records behind the end of the topic, over all partitions. */
  readonly lag: number;
}

export interface TopicView {
  readonly topic: string;
  /** The row of the topics table, e.g. rawEvents. */
  readonly id: string;
  readonly stream: string;
  /** Records since the topic began. */
  readonly records: number;
  /** Records a second since the frame before; null = there was none. */
  readonly rate: number | null;
  readonly consumers: readonly LagView[];
}

/** The mesh at one moment. */
export interface MeshFrame {
  readonly atMs: number;
  readonly services: readonly ServiceView[];
  readonly topics: readonly TopicView[];
  /** Predictions answered a second by the gateway, from its metrics; null = not known. */
  readonly predictionRate: number | null;
  /** What of this could not be found out, and why; empty = nothing. */
  readonly problems: readonly string[];
}

/** A frame's figures for a chart. */
export interface RatePoint {
  readonly atMs: number;
  /** A second; null = not known, as in the first frame after nobody looked. */
  readonly raw: number | null;
  readonly valid: number | null;
  readonly predictions: number | null;
  readonly lag: number;
}

export interface AlertView {
  readonly fingerprint: string;
  readonly monitor: string;
  readonly endpoint: string;
  readonly modelVersion: string;
  readonly breach: string;
  readonly summary: string;
  readonly startsMs: number;
}

export interface RolloutView {
  readonly rolloutId: string;
  readonly endpoint: string;
  readonly version: string;
  readonly state: string;
  readonly step: number;
  readonly steps: number;
  readonly startedMs: number;
}

/** What an event of /api/live brings, by its name. */
export interface LiveEvents {
  readonly mesh: MeshFrame;
  readonly history: readonly RatePoint[];
  readonly alerts: readonly AlertView[];
  readonly rollouts: readonly RolloutView[];
  /** A part of the stream that this person may not see, or that could not be asked for. */
  readonly refused: { readonly part: 'mesh' | 'alerts' | 'rollouts'; readonly code: string; readonly message: string };
}
