import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { TriggerDecision, TriggerReason } from './decide-trigger.js';
import type { Metrics, Run, RunPlan, RunState, Step, StepName, StepOutputs } from './run.js';

/** Runs and their steps, durable. */
export abstract class RunStore {
  /** The same idempotency key gives the run that it gave before. */
  abstract create(runId: string, plan: RunPlan, reason: string, idempotencyKey: string | undefined): Promise<Run>;
  abstract get(runId: string): Promise<Run | undefined>;
  /** Newest first. @param pipeline '' = all */
  abstract list(pipeline: string, limit: number): Promise<Run[]>;
  /** The oldest run that has not ended. */
  abstract nextUnfinished(): Promise<Run | undefined>;
  /** A run of the pipeline has not ended. */
  abstract isUnderWay(pipeline: string): Promise<boolean>;
  abstract setRun(runId: string, change: { state: RunState; error?: string; modelVersion?: string }): Promise<void>;
  abstract setStep(runId: string, step: Step): Promise<void>;
}

/** What happened to a pipeline, and whether it started a run. */
export interface Trigger extends TriggerDecision {
  /** Of the pipeline, the occasion and the attempt. */
  readonly triggerKey: string;
  readonly pipeline: string;
  /** What happened. */
  readonly occasion: string;
  /** Of the decisions about the same occasion, from 1 on. */
  readonly attempt: number;
  readonly reason: TriggerReason;
  readonly summary: string;
  /** '' = none was started. */
  readonly runId: string;
  /** Wall clock, epoch ms. */
  readonly decidedMs: number;
}

/** Decisions about triggers, durable. */
export abstract class TriggerStore {
  /** Rejects when the key is there already. */
  abstract add(trigger: Trigger): Promise<void>;
  /** The decision with the highest attempt; undefined = nothing was decided about it. */
  abstract latest(pipeline: string, occasion: string): Promise<Trigger | undefined>;
  /** When triggered runs of the pipeline were started, oldest first; sinceMs counts in. Wall clock, epoch ms. */
  abstract startedSince(pipeline: string, sinceMs: number): Promise<number[]>;
}

/** An alert that asks for another training. */
export interface FiringAlert {
  /** The same breach has the same one, whenever it happens. */
  readonly fingerprint: string;
  /** Wall clock, epoch ms. */
  readonly startsMs: number;
  readonly model: string;
  readonly reason: TriggerReason;
  readonly summary: string;
}

/** Alerts that ask for another training, durable: of each fingerprint the newest, and whether it is over. */
export abstract class AlertStore {
  /** @returns false, and nothing is changed, where it is known to be over, or one of its fingerprint that began later is known: alerts may be told late, and again */
  abstract fires(alert: FiringAlert): Promise<boolean>;
  /** It and those of its fingerprint that began earlier are over, for good; of one that is not known nothing is kept. */
  abstract isOver(fingerprint: string, startsMs: number): Promise<void>;
  /** What has not ended, oldest first. */
  abstract firing(): Promise<FiringAlert[]>;
}

export interface JobResult {
  readonly metrics: Metrics;
  /** By kind: model, onnx, parity, … */
  readonly artifacts: ReadonlyMap<string, { readonly path: string; readonly sha256: string }>;
  /** Of convert. */
  readonly onnx: { readonly input: string; readonly output: string } | undefined;
}

export interface JobQuestion {
  readonly runId: string;
  readonly step: StepName;
  readonly attempt: number;
  readonly kind: 'train' | 'evaluate' | 'convert' | 'parity';
  readonly plan: RunPlan;
  readonly dataset: StepOutputs['dataset'];
  /** What the model reads of the dataset, in order. */
  readonly features: readonly string[];
  readonly model?: { readonly path: string; readonly sha256: string };
  readonly onnx?: string;
}

/** Training jobs, outside of this process. */
export abstract class JobRunner {
  /** @throws MillraceError unavailable (worth another attempt), failed-precondition (it is not), with the job's own words */
  abstract run(
    question: JobQuestion,
    onProgress: (done: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<JobResult>;
}

export interface Registered {
  readonly version: string;
  /** Endpoints where it is live. */
  readonly live: readonly string[];
  /** Where it is on its way; state as in millrace.registry.v1.Rollout. */
  readonly rollouts: readonly { readonly id: string; readonly endpoint: string; readonly state: string }[];
}

/** The other services, as a run needs them. Calls wait for a service that is away. */
export abstract class Mesh {
  /** The instant up to which all streams of the model's features are known. */
  abstract watermark(plan: RunPlan): Promise<number>;
  abstract buildDataset(
    plan: RunPlan,
    window: { fromMs: number; toMs: number; validateFromMs: number },
    onProgress: (done: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<StepOutputs['dataset']>;
  /** The version that answers now on an endpoint of the model, with its ONNX file; undefined = none. */
  abstract liveVersion(model: string): Promise<{ version: ModelVersion; onnxPath: string } | undefined>;
  /** Registers the model, and offers it to every endpoint of it. Repeatable. */
  abstract register(run: Run): Promise<Registered>;
  /** Tells the registry where the run stands. */
  abstract record(run: Run): Promise<void>;
}
