import { MillraceError } from '#libs/errors/millrace-error.js';
import { checkGates } from './check-gates.js';
import type { JobRunner, Mesh, Registered } from './ports.js';
import { chosenFeatures, metricsOf, outputsOf, type Run, type StepName, type StepOutputs } from './run.js';

export interface StepContext {
  readonly run: Run;
  readonly attempt: number;
  readonly mesh: Mesh;
  readonly jobs: JobRunner;
  readonly signal: AbortSignal;
  progress(done: number, message: string): void;
}

/** A gate did not hold: the run ends as refused, not as failed. */
export class Refused extends Error {}

export interface Done<N extends StepName> {
  readonly outputs: StepOutputs[N];
  /** For a person. */
  readonly message: string;
}

/** What each step does. A step may be repeated: the same inputs give the same outputs. */
export const steps: { [N in StepName]: (context: StepContext) => Promise<Done<N>> } = {
  async dataset({ run, mesh, progress, signal }) {
    const { plan } = run;
    const toMs = plan.toMs || (await mesh.watermark(plan));
    const fromMs = plan.fromMs || toMs - plan.pipeline.windowMs;
    const validateFromMs = plan.validateFromMs || Math.round(fromMs + (toMs - fromMs) * plan.pipeline.trainShare);
    const outputs = await mesh.buildDataset(plan, { fromMs, toMs, validateFromMs }, progress, signal);
    if (outputs.rows === 0)
      throw new MillraceError(
        'failed-precondition',
        `no events from ${iso(fromMs)} to ${iso(toMs)}: there is nothing to train on`,
      );
    const [chosen, all] = [chosenFeatures(plan.pipeline, outputs.features).length, outputs.features.length];
    const features = chosen === all ? `${all} features` : `${chosen} of ${all} features`;
    return { outputs, message: `${outputs.rows} rows, ${features}, sha256 ${outputs.sha256.slice(0, 12)}` };
  },

  async train(context) {
    const { metrics, artifacts } = await job(context, 'train', {});
    const model = need(artifacts, 'model');
    return {
      outputs: {
        model: model.path,
        modelSha256: model.sha256,
        metrics,
        background: need(artifacts, 'background').path,
      },
      message: `validate AUC ${shown(metrics['validate.auc'])}, log-loss ${shown(metrics['validate.logloss'])}`,
    };
  },

  async evaluate(context) {
    const live = await context.mesh.liveVersion(context.run.plan.model.name);
    const { features } = outputsOf(context.run, 'dataset');
    const lacking = live?.version.features.filter((feature) => !features.includes(feature)) ?? [];
    const comparable = live !== undefined && lacking.length === 0;
    const { metrics, artifacts } = await job(context, 'evaluate', {
      model: trained(context.run),
      ...(comparable ? { onnx: live.onnxPath } : {}),
    });
    const against =
      live === undefined
        ? 'nothing is live yet'
        : comparable
          ? `live version ${live.version.version}: log-loss ${shown(metrics['live.validate.logloss'])}`
          : `live version ${live.version.version} reads ${lacking.join(', ')}, which the dataset lacks: not compared`;
    return {
      outputs: { metrics, reference: need(artifacts, 'reference').path },
      message: `log-loss ${shown(metrics['validate.logloss'])}; ${against}`,
    };
  },

  async convert(context) {
    const { artifacts, onnx } = await job(context, 'convert', { model: trained(context.run) });
    const file = need(artifacts, 'onnx');
    if (onnx === undefined) throw new MillraceError('internal', 'convert told no input and output of the model');
    return {
      outputs: { onnx: file.path, onnxSha256: file.sha256, ...onnx },
      message: `ONNX ${file.sha256.slice(0, 12)}`,
    };
  },

  async parity(context) {
    const { metrics } = await job(context, 'parity', {
      model: trained(context.run),
      onnx: outputsOf(context.run, 'convert').onnx,
    });
    if (metrics['parity.passed'] !== 1)
      throw new Refused(
        `parity: the ONNX model differs from the trained one by ${shown(metrics['parity.maxAbsDiff'])}`,
      );
    return { outputs: { metrics }, message: `largest difference ${metrics['parity.maxAbsDiff']?.toExponential(1)}` };
  },

  async gates({ run }) {
    const results = checkGates(run.plan.pipeline.gates, metricsOf(run));
    const failed = results.filter(({ holds }) => !holds);
    if (failed.length > 0)
      throw new Refused(failed.map(({ gate, because }) => `gate \`${gate}\` does not hold: ${because}`).join('; '));
    return { outputs: { held: results.map(({ gate }) => gate) }, message: `${results.length} hold` };
  },

  async register({ run, mesh }) {
    const { version, live, rollouts } = await mesh.register(run);
    return {
      outputs: { version, live, rollouts: rollouts.map(({ id }) => id) },
      message: [`version ${version}`, ...fates({ version, live, rollouts })].join(', '),
    };
  },
};

/** What becomes of a version on the endpoints, for a person. */
function fates({ live, rollouts }: Registered): string[] {
  const begun = rollouts.map(
    ({ id, endpoint, state }) =>
      `rollout ${id} of ${endpoint} ${state === 'pending' ? 'waits for approval' : `begins with ${state}`}`,
  );
  return live.length > 0 ? [`live on ${live.join(', ')}`, ...begun] : begun;
}

function job(
  { run, attempt, jobs, progress, signal }: StepContext,
  kind: 'train' | 'evaluate' | 'convert' | 'parity',
  inputs: { model?: { path: string; sha256: string }; onnx?: string },
) {
  const [{ plan, runId }, dataset] = [run, outputsOf(run, 'dataset')];
  const features = chosenFeatures(plan.pipeline, dataset.features);
  return jobs.run({ runId, step: kind, attempt, kind, plan, dataset, features, ...inputs }, progress, signal);
}

function trained(run: Run): { path: string; sha256: string } {
  const { model, modelSha256 } = outputsOf(run, 'train');
  return { path: model, sha256: modelSha256 };
}

function need<T>(artifacts: ReadonlyMap<string, T>, kind: string): T {
  const found = artifacts.get(kind);
  if (found === undefined) throw new MillraceError('internal', `the job left no artifact of kind ${kind}`);
  return found;
}

function shown(value: number | undefined): string {
  return value === undefined ? 'unknown' : String(Number(value.toPrecision(4)));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
