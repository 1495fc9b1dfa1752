import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { type Fault, fault } from '../domain/outcome.js';
import { type LoadOutcome, ModelLoader, type ModelMaker } from '../domain/ports.js';
import type { ModelChecker } from '../domain/model-checker.js';

/**
 * Models are ONNX files in the artifact store, whose read checks the hash: damaged bytes never reach onnxruntime. A file that this worker has not seen is checked in
 * a process of its own before it comes near this one.
 */
export class OnnxModelLoader extends ModelLoader {
  /** @param maxBytes of a model's file @param maxMemoryBytes of all models, so that one that takes more alone is not loaded at all @param instances of each model, every one with a session of its own */
  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly checker: ModelChecker,
    private readonly maker: ModelMaker,
    private readonly maxBytes: number,
    private readonly maxMemoryBytes: number,
    private readonly instances = 1,
  ) {
    super();
  }

  override async load(sha256: string): Promise<LoadOutcome> {
    const startMs = performance.now();
    const bytes = await this.readArtifact(sha256);
    if (!Buffer.isBuffer(bytes)) return bytes;
    const checked = await this.checker.check(sha256, this.artifacts.path(sha256));
    if (!checked.ok) return checked;
    const memoryBytes = checked.memoryBytes * this.instances;
    if (memoryBytes > this.maxMemoryBytes)
      return fault(
        'run-failed',
        `model ${sha256} takes ${memoryBytes} bytes of memory${this.instances > 1 ? ` in ${this.instances} instances` : ''}; all models together have ${this.maxMemoryBytes} (MODEL_MEMORY_BYTES)`,
      );
    const outcome = await this.maker.make(bytes, sha256, startMs);
    return outcome.ok ? { ok: true, model: { ...outcome.model, memoryBytes } } : outcome;
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
