import type { Tensor } from 'onnxruntime-node';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { type BatchLimitOptions, measureBatchLimit } from '../domain/measure-batch-limit.js';
import type { TensorSpec } from '../domain/named-tensor.js';
import { type Fault, fault } from '../domain/outcome.js';
import type { LoadedModel, ModelMaker, TrialOutcome } from '../domain/ports.js';
import { createSession, type ModelContract, readContract, runSession } from './onnx-session.js';
import { fromResult, specsOf, toFeeds, zerosFor } from './onnx-tensors.js';

interface Specs {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

type Session = Awaited<ReturnType<typeof createSession>>;

/** Makes a model from its bytes and runs it on zeros: in the process that checks it, and then, the same way, in the one that serves it. */
export class ModelTrial implements ModelMaker {
  constructor(
    private readonly limit: BatchLimitOptions,
    private readonly maxOutputBytes: number,
    private readonly providers: readonly string[] = ['cpu'],
  ) {}

  /** @param startMs when loading began, by performance.now() */
  async make(bytes: Uint8Array, sha256: string, startMs: number): Promise<TrialOutcome> {
    let session: Session;
    try {
      session = await createSession(bytes, this.providers);
    } catch (error) {
      return fault('run-failed', `model ${sha256} is no usable ONNX model: ${errorMessage(error)}`);
    }
    const outcome = await this.tryOut(session, sha256, startMs);
    if (!outcome.ok) await session.release();
    return outcome;
  }

  private async tryOut(session: Session, sha256: string, startMs: number): Promise<TrialOutcome> {
    const specs = { inputs: specsOf(session.inputMetadata), outputs: specsOf(session.outputMetadata) };
    const contract = readContract(session, sha256);
    return 'ok' in contract
      ? this.tryTensors(session, sha256, startMs, specs, contract.message)
      : this.tryRows(session, sha256, startMs, specs, contract);
  }

  /** Runs it on zeros. Where the model leaves dimensions open one element each may be none that it takes: then that it was created has to do. */
  private async tryTensors(
    session: Session,
    sha256: string,
    startMs: number,
    specs: Specs,
    notTabular: string,
  ): Promise<TrialOutcome> {
    const unknown = specs.inputs.find(({ datatype }) => datatype === '');
    if (unknown !== undefined)
      return fault('bad-shape', `model ${sha256}: input ${unknown.name} is of a type that cannot be carried`);
    const run = tensorRunner(session, specs, this.maxOutputBytes);
    try {
      const tried = await run(zerosFor(specs.inputs), []);
      if ('ok' in tried) return tried;
    } catch (error) {
      if (specs.inputs.every(({ shape }) => shape.slice(1).every((size) => size !== -1)))
        return fault('run-failed', `model ${sha256} does not run: ${errorMessage(error)}`);
    }
    const tabular = { inputName: '', outputName: '', features: 0, columns: 0, maxRows: 1 };
    return {
      ok: true,
      model: {
        ...tabular,
        ...specs,
        notTabular,
        loadMs: performance.now() - startMs,
        run: () => Promise.reject(new Error(notTabular)),
        runTensors: run,
        release: () => session.release(),
      },
    };
  }

  /** Runs the model on zeros: learns its columns and its batch limit, and finds out now whether it runs at all. */
  private async tryRows(
    session: Session,
    sha256: string,
    startMs: number,
    specs: Specs,
    contract: ModelContract,
  ): Promise<TrialOutcome> {
    const zeros = new Float32Array(this.limit.maxRows * contract.features);
    const tryRows = (rows: number) => runSession(session, contract, zeros.subarray(0, rows * contract.features), rows);
    try {
      const { columns } = await tryRows(1);
      const maxRows = await measureBatchLimit(async (rows) => (await tryRows(rows)).tookUs, this.limit);
      const measured = { columns, maxRows, loadMs: performance.now() - startMs };
      const runTensors = tensorRunner(session, specs, this.maxOutputBytes);
      return { ok: true, model: { ...specs, ...toModel(session, contract, measured), runTensors } };
    } catch (error) {
      return fault('run-failed', `model ${sha256} does not run: ${errorMessage(error)}`);
    }
  }
}

function toModel(
  session: Session,
  contract: ModelContract,
  measured: { columns: number; maxRows: number; loadMs: number },
): Omit<LoadedModel, 'inputs' | 'outputs' | 'runTensors' | 'memoryBytes'> {
  return {
    notTabular: undefined,
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

/** Outputs that are not asked for are not computed; of all, those that cannot be carried are left out. */
function tensorRunner(session: Session, { inputs, outputs }: Specs, maxBytes: number): LoadedModel['runTensors'] {
  const all = outputs.filter(({ datatype }) => datatype !== '').map(({ name }) => name);
  return async (tensors, names) => {
    const unknown = names.find((name) => !outputs.some((output) => output.name === name));
    if (unknown !== undefined)
      return fault(
        'bad-shape',
        `output ${unknown.slice(0, 64)}: the model has no such output; it gives ${all.join(', ')}`,
      );
    const feeds = toFeeds(inputs, tensors);
    if (isFault(feeds)) return feeds;
    const wanted = names.length === 0 ? all : names;
    const beganMs = performance.now();
    const result = await session.run(feeds, [...wanted]);
    const tookUs = (performance.now() - beganMs) * 1_000;
    return { tensors: fromResult(result as Record<string, Tensor>, wanted, maxBytes), tookUs };
  };
}

function isFault(value: Record<string, Tensor> | Fault): value is Fault {
  return 'ok' in value && value.ok === false;
}
