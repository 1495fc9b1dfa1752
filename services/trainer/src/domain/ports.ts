import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
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
  abstract setRun(runId: string, change: { state: RunState; error?: string; modelVersion?: string }): Promise<void>;
  abstract setStep(runId: string, step: Step): Promise<void>;
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
  /** Registers the model, and makes it live on every endpoint of it. Repeatable. */
  abstract register(run: Run): Promise<StepOutputs['register']>;
  /** Tells the registry where the run stands. */
  abstract record(run: Run): Promise<void>;
}
