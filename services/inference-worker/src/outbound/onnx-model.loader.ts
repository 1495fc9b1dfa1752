import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { type BatchLimitOptions, measureBatchLimit } from '../domain/measure-batch-limit.js';
import { type Fault, fault } from '../domain/outcome.js';
import { type LoadedModel, type LoadOutcome, ModelLoader } from '../domain/ports.js';
import { createSession, type ModelContract, readContract, runSession } from './onnx-session.js';

type Session = Awaited<ReturnType<typeof createSession>>;

/** Models are ONNX files in the artifact store, whose read checks the hash: damaged bytes never reach onnxruntime. */
export class OnnxModelLoader extends ModelLoader {
  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly limit: BatchLimitOptions,
  ) {
    super();
  }

  override async load(sha256: string): Promise<LoadOutcome> {
    const startMs = performance.now();
    const bytes = await this.readArtifact(sha256);
    if (!Buffer.isBuffer(bytes)) return bytes;
    let session: Session;
    try {
      session = await createSession(bytes);
    } catch (error) {
      return fault('run-failed', `model ${sha256} is no usable ONNX model: ${errorMessage(error)}`);
    }
    const outcome = await this.tryOut(session, sha256, startMs);
    if (!outcome.ok) await session.release();
    return outcome;
  }

  private async readArtifact(sha256: string): Promise<Buffer | Fault> {
    try {
      return await this.artifacts.read(sha256);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return fault(error.code === 'internal' ? 'hash-mismatch' : 'model-not-found', error.message);
    }
  }

  /** Runs the model on zeros: learns its columns and its batch limit, and finds out now whether it runs at all. */
  private async tryOut(session: Session, sha256: string, startMs: number): Promise<LoadOutcome> {
    const contract = readContract(session, sha256);
    if ('ok' in contract) return contract;
    const zeros = new Float32Array(this.limit.maxRows * contract.features);
    const tryRows = (rows: number) => runSession(session, contract, zeros.subarray(0, rows * contract.features), rows);
    try {
      const { columns } = await tryRows(1);
      const maxRows = await measureBatchLimit(async (rows) => (await tryRows(rows)).tookUs, this.limit);
      return { ok: true, model: toModel(session, contract, { columns, maxRows, loadMs: performance.now() - startMs }) };
    } catch (error) {
      return fault('run-failed', `model ${sha256} does not run: ${errorMessage(error)}`);
    }
  }
}

function toModel(
  session: Session,
  contract: ModelContract,
  measured: { columns: number; maxRows: number; loadMs: number },
): LoadedModel {
  return {
    ...contract,
    ...measured,
    run: async (input, rows) => {
      const { columns, ...result } = await runSession(session, contract, input, rows);
      if (columns !== measured.columns)
        throw new Error(`output ${contract.outputName} had ${measured.columns} columns and now has ${columns}`);
      return result;
    },
    release: () => session.release(),
  };
}
