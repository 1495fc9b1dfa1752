import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { NoTrees, type TreeEnsemble } from '#libs/numeric/shapley/tree-ensemble.js';
import { OnnxUnreadable, readOnnxModel } from '#libs/onnx/read-model.js';
import { readTreeModel } from '#libs/onnx/tree-model.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import type { ExplanationOutcome, ExplanationQuestion } from '../domain/explanation.js';
import { ModelExplainer } from '../domain/model-explainer.js';
import { fault } from '../domain/outcome.js';
import { LazySession } from './lazy-session.js';

const maxPrepared = 8;
const maxBackgroundRows = 1_000;

interface Prepared {
  readonly explainer: ModelExplainer;
  readonly session: LazySession;
}

/** Why a question is not answered, in the words of worker.proto. */
class Refusal extends Error {
  constructor(
    readonly code: Parameters<typeof fault>[0],
    message: string,
  ) {
    super(message);
  }
}

/** Explainers of models and backgrounds out of the artifact store, whose read checks the hash; the 8 last used are kept. */
export class PreparedExplainers {
  private readonly prepared = new Map<string, Prepared>();

  constructor(private readonly artifacts: ArtifactStore) {}

  /** Never rejects. One question at a time. */
  async answer(question: ExplanationQuestion): Promise<ExplanationOutcome> {
    try {
      const untilMs = performance.now() + question.timeoutMs;
      const { explainer } = await this.preparedFor(question, untilMs);
      const { input, output, columns } = question;
      return await explainer.explain(float32View(input), float32View(output), columns);
    } catch (error) {
      if (error instanceof Refusal) return fault(error.code, error.message);
      return fault('run-failed', `model ${question.onnxSha256} could not be explained: ${errorMessage(error)}`);
    }
  }

  private async preparedFor(question: ExplanationQuestion, untilMs: number): Promise<Prepared> {
    const key = `${question.onnxSha256} ${question.backgroundSha256}`;
    const known = this.prepared.get(key);
    this.prepared.delete(key);
    if (known !== undefined) known.session.untilMs = untilMs;
    const prepared = known ?? (await this.prepare(question, untilMs));
    this.prepared.set(key, prepared);
    for (const [oldest, { session }] of this.prepared) {
      if (this.prepared.size <= maxPrepared) break;
      this.prepared.delete(oldest);
      await session.release();
    }
    return prepared;
  }

  private async prepare(
    { onnxSha256, backgroundSha256, features }: ExplanationQuestion,
    untilMs: number,
  ): Promise<Prepared> {
    const background = readBackground(await this.read('background', backgroundSha256), backgroundSha256, features);
    const bytes = await this.read('model', onnxSha256);
    const session = new LazySession(bytes, onnxSha256, untilMs, (message) => new Refusal('deadline', message));
    const model = { features, background, ask: session.ask };
    const explainer = await ModelExplainer.of({ ...model, trees: treesOf(bytes) }).catch((error: unknown) => {
      if (error instanceof NoTrees) return ModelExplainer.of({ ...model, trees: undefined });
      throw error;
    });
    if (explainer.isExact) await session.release(); // opened again where it should be needed
    return { explainer, session };
  }

  private async read(what: string, sha256: string): Promise<Buffer> {
    try {
      return await this.artifacts.read(sha256);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      throw new Refusal(error.code === 'internal' ? 'hash-mismatch' : 'model-not-found', `${what}: ${error.message}`);
    }
  }
}

/** Undefined = it has none that can be read. */
function treesOf(bytes: Buffer): TreeEnsemble | undefined {
  try {
    return readTreeModel(readOnnxModel(bytes));
  } catch (error) {
    if (error instanceof NoTrees || error instanceof OnnxUnreadable) return undefined;
    throw error;
  }
}

function readBackground(bytes: Buffer, sha256: string, features: number): Float32Array {
  let background: Background;
  try {
    background = Background.decode(bytes);
  } catch (error) {
    throw new Refusal('bad-shape', `background ${sha256} is no millrace.worker.v1.Background: ${errorMessage(error)}`);
  }
  const rows = background.rows.byteLength / (4 * features);
  if (background.features !== features || !Number.isInteger(rows) || rows < 1 || rows > maxBackgroundRows)
    throw new Refusal(
      'bad-shape',
      `background ${sha256} has ${background.features} features and ${background.rows.byteLength} bytes; the model reads ${features}, of 1 to ${maxBackgroundRows} rows`,
    );
  return float32View(background.rows);
}
