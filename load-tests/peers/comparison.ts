import type { Measured } from './measure.js';
import type { ModelName } from './peer.js';

/** Everything of one run, as it is kept. */
export interface Comparison {
  /** When it began, RFC 3339. */
  readonly date: string;
  /** Of Millrace's code; '' = not known. */
  readonly commit: string;
  readonly machine: Machine;
  readonly seconds: number;
  /** SHA-256 of each model's file. */
  readonly models: Readonly<Record<string, string>>;
  /** Rows a second of onnxruntime with nothing around it, in runs of 1 row and of 32. */
  readonly alone: Readonly<Record<string, { one: number; block: number }>>;
  readonly peers: readonly PeerResult[];
  /** Requests a second of h2load, 8 connections with 8 out on each, gbt100. It does not read gRPC statuses: the generator does. */
  readonly h2load: Readonly<Record<string, number | { problem: string }>>;
  readonly costs?: Costs | { readonly problem: string };
  readonly lookup?: Lookup | { readonly problem: string };
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Mean of processes that wanted to run when it began, 1 minute: above 0.2 the machine was not quiet. */
  readonly loadBefore: number;
}

export interface PeerResult {
  readonly key: string;
  readonly name: string;
  readonly note: string;
  readonly version: string;
  readonly models: Readonly<Partial<Record<ModelName, Outcome>>>;
}

export type Outcome = Measured | { readonly problem: string };

/** What parts of the gateway cost, measured by turns on gbt100. */
export interface Costs {
  /** Requests a second at 64 in flight, medians. */
  readonly withLog: number;
  readonly withoutLog: number;
  /** p99 in ms, open loop at `shadowRate` a second, medians. */
  readonly p99Alone: number;
  readonly p99WithShadow: number;
  readonly shadowRate: number;
}

/** What feature-lookup.ts prints, of that much. */
export interface Lookup {
  readonly features: number;
  readonly askedPerSecond: number;
  readonly p99MsLookedUp: number;
  readonly p99MsGiven: number;
  readonly addedP99Ms: number;
}

export function measuredOf(peer: PeerResult | undefined, model: ModelName): Measured | undefined {
  const outcome = peer?.models[model];
  return outcome === undefined || 'problem' in outcome ? undefined : outcome;
}
