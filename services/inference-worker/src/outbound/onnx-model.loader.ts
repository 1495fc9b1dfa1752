import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { type Fault, fault } from '../domain/outcome.js';
import { type LoadOutcome, ModelLoader } from '../domain/ports.js';
import type { ModelChecker } from '../domain/model-checker.js';
import type { ModelTrial } from './model-trial.js';

/**
 * Models are ONNX files in the artifact store, whose read checks the hash: damaged bytes never reach onnxruntime. A file that this worker has not seen is checked in
 * a process of its own before it comes near this one.
 */
export class OnnxModelLoader extends ModelLoader {
  /** @param maxBytes of a model's file */
  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly checker: ModelChecker,
    private readonly trial: ModelTrial,
    private readonly maxBytes: number,
  ) {
    super();
  }

  override async load(sha256: string): Promise<LoadOutcome> {
    const startMs = performance.now();
    const bytes = await this.readArtifact(sha256);
    if (!Buffer.isBuffer(bytes)) return bytes;
    const refused = await this.checker.check(sha256, this.artifacts.path(sha256));
    return refused ?? this.trial.make(bytes, sha256, startMs);
  }

  private async readArtifact(sha256: string): Promise<Buffer | Fault> {
    try {
      const size = await this.artifacts.sizeOf(sha256);
      if (size !== undefined && size > this.maxBytes)
        return fault(
          'run-failed',
          `model ${sha256} has ${size} bytes; ${this.maxBytes} is the bound (MAX_MODEL_BYTES)`,
        );
      return await this.artifacts.read(sha256);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return fault(error.code === 'internal' ? 'hash-mismatch' : 'model-not-found', error.message);
    }
  }
}
