import type { TabularModelSpec, PipelineSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export const stepNames = ['dataset', 'train', 'evaluate', 'convert', 'parity', 'gates', 'register'] as const;
export type StepName = (typeof stepNames)[number];
export type RunState = 'pending' | 'running' | 'succeeded' | 'failed' | 'refused' | 'cancelled';
export type StepState = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** What a run was asked to do; later changes of the definitions do not change it. */
export interface RunPlan {
  readonly pipeline: PipelineSpec;
  readonly model: TabularModelSpec;
  /** Event time, epoch ms; 0 = from the window and the watermark, when the dataset is built. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly validateFromMs: number;
  /** The caller that asked for the run; absent = a trigger did. */
  readonly requestedBy?: string;
}

/** What a step leaves for those after it. */
export interface StepOutputs {
  readonly dataset: {
    readonly sha256: string;
    readonly rows: number;
    /** All of the feature service, in its order. */
    readonly features: readonly string[];
    readonly digest: string;
    /** Event time, epoch ms; absent in runs of before it was kept. */
    readonly fromMs?: number;
    readonly toMs?: number;
  };
  readonly train: {
    readonly model: string;
    readonly modelSha256: string;
    readonly metrics: Metrics;
    /** File with rows that explanations are relative to, float32 [n, features]; absent in runs of before there were explanations. */
    readonly background?: string;
  };
  readonly evaluate: {
    readonly metrics: Metrics;
    /** File with what the scores of the validation rows were; absent in runs of before there were references. */
    readonly reference?: string;
  };
  readonly convert: {
    readonly onnx: string;
    readonly onnxSha256: string;
    readonly input: string;
    readonly output: string;
  };
  readonly parity: { readonly metrics: Metrics };
  readonly gates: { readonly held: readonly string[] };
  readonly register: {
    readonly version: string;
    /** Endpoints that it answers on. */
    readonly live: readonly string[];
    /** Rollouts that bring it to others, by id. */
    readonly rollouts: readonly string[];
  };
}

/** E.g. validate.auc, parity.maxAbsDiff. */
export type Metrics = Readonly<Record<string, number>>;

export interface Step {
  readonly name: StepName;
  readonly state: StepState;
  readonly attempt: number;
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly message: string;
  /** {} until it has succeeded. */
  readonly outputs: Partial<StepOutputs[StepName]>;
}

export interface Run {
  readonly runId: string;
  readonly state: RunState;
  readonly reason: string;
  readonly plan: RunPlan;
  readonly error: string;
  readonly modelVersion: string;
  readonly createdMs: number;
  readonly steps: readonly Step[];
}

export function hasEnded(state: RunState): boolean {
  return state !== 'pending' && state !== 'running';
}

/**
 * The model's input columns: the pipeline's choice in the feature service's order; all of them where it makes no choice.
 * @param available names of the feature service's features, in order
 * @throws MillraceError failed-precondition, naming what is not there
 */
export function chosenFeatures({ train }: PipelineSpec, available: readonly string[]): readonly string[] {
  if (train.features === undefined) return available;
  const unknown = train.features.filter((feature) => !available.includes(feature));
  if (unknown.length > 0)
    throw new MillraceError(
      'failed-precondition',
      `train.features: ${unknown.join(', ')} not in the dataset; it has ${available.join(', ')}`,
    );
  const chosen = new Set(train.features);
  return available.filter((feature) => chosen.has(feature));
}

/** The metrics of all steps that succeeded. */
export function metricsOf(run: Run): Metrics {
  return Object.assign(
    {},
    ...run.steps.map(({ outputs }) => (outputs as { metrics?: Metrics }).metrics ?? {}),
  ) as Metrics;
}

/** What a step left behind. @throws Error when it has not succeeded: steps run in order */
export function outputsOf<N extends StepName>(run: Run, name: N): StepOutputs[N] {
  const step = run.steps.find((candidate) => candidate.name === name);
  if (step?.state !== 'succeeded') throw new Error(`step ${name} of run ${run.runId} has not succeeded`);
  return step.outputs as StepOutputs[N];
}
