import { Worker } from 'node:worker_threads';
import type { Fault } from '../domain/outcome.js';
import type { ModelMaker, ModelRun, TensorsRun, TrialOutcome } from '../domain/ports.js';
import type {
  Answer,
  FromInstance,
  InstanceSettings,
  ModelDescription,
  Order,
  ToInstance,
} from './instance-messages.js';

interface Instance {
  readonly thread: Worker;
  readonly waiting: Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>;
}

/**
 * Several instances of every model, each in a thread with a session of its own: runs go on at the same time, and none holds the thread that speaks to gateways. A run is given to the instance
 * with the least to do. Costs a hop into a thread and out of it, about 40 µs, and the memory of every model once more for each instance.
 */
export class ThreadInstances implements ModelMaker {
  private readonly instances: readonly Instance[];
  private ids = 0;
  private models = 0;
  private closing = false;

  /**
   * @param failed an instance has ended by itself: what it held is lost, and the worker is to begin anew
   * @param program of a thread, built JavaScript
   */
  constructor(
    count: number,
    settings: InstanceSettings,
    private readonly failed: (error: Error) => void,
    program = new URL('./instance.thread.js', import.meta.url),
  ) {
    this.instances = Array.from({ length: count }, () => this.start(program, settings));
  }

  /** The first instance tries the model out alone, so that its runs are measured undisturbed; the others load it when it is known to run. */
  async make(bytes: Uint8Array, sha256: string, startMs: number): Promise<TrialOutcome> {
    const model = (this.models += 1);
    const [first, ...others] = this.instances as [Instance, ...Instance[]];
    const load = (instance: Instance) => this.ask<Loaded | Fault>(instance, { kind: 'load', model, sha256, bytes });
    const outcome = await load(first);
    if (!outcome.ok) return outcome;
    const loaded = await Promise.all(others.map(load));
    const fault = loaded.find((one): one is Fault => !one.ok);
    const loadMs = performance.now() - startMs;
    if (fault === undefined) return { ok: true, model: { ...this.modelOf(outcome.model, model), loadMs } };
    const made = [first, ...others.filter((_, i) => loaded[i]!.ok)];
    await Promise.all(made.map((instance) => this.ask(instance, { kind: 'release', model })));
    return fault;
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.instances.map(({ thread }) => thread.terminate()));
  }

  private modelOf(description: ModelDescription, model: number) {
    return {
      ...description,
      run: (input: Float32Array, rows: number) =>
        this.ask<ModelRun>(this.freest(), { kind: 'run', model, input, rows }, [input.buffer as ArrayBuffer]),
      runTensors: async (
        tensors: Extract<Order, { kind: 'run-tensors' }>['tensors'],
        names: readonly string[],
      ): Promise<TensorsRun | Fault> => {
        // Copies: of a view the whole buffer behind it would be copied.
        const copies = tensors.map((tensor) => ({ ...tensor, data: Uint8Array.from(tensor.data) as Buffer }));
        const transfer = copies.map(({ data }) => data.buffer as ArrayBuffer);
        const order = { kind: 'run-tensors', model, tensors: copies, names } as const;
        const answer = await this.ask<TensorsRun | Fault>(this.freest(), order, transfer);
        if ('ok' in answer) return answer;
        // Over a thread's border a Buffer is a Uint8Array.
        return { ...answer, tensors: answer.tensors.map((tensor) => ({ ...tensor, data: asBuffer(tensor.data) })) };
      },
      release: async (): Promise<void> => {
        await Promise.all(this.instances.map((instance) => this.ask(instance, { kind: 'release', model })));
      },
    };
  }

  private freest(): Instance {
    return this.instances.reduce((least, one) => (one.waiting.size < least.waiting.size ? one : least));
  }

  private ask<A extends Answer>(instance: Instance, order: Order, transfer: ArrayBuffer[] = []): Promise<A> {
    const id = (this.ids += 1);
    return new Promise<A>((resolve, reject) => {
      instance.waiting.set(id, { resolve: resolve as (answer: Answer) => void, reject });
      instance.thread.postMessage({ id, ...order } satisfies ToInstance, transfer);
    });
  }

  private start(program: URL, settings: InstanceSettings): Instance {
    const thread = new Worker(program, { workerData: settings });
    const waiting: Instance['waiting'] = new Map();
    thread.unref(); // it holds no process
    thread.on('message', (message: FromInstance) => {
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if ('error' in message) asked?.reject(new Error(message.error));
      else asked?.resolve(message.answer);
    });
    const ended = (error: Error): void => {
      if (this.closing) return; // who waits is gone too
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      this.failed(error);
    };
    thread.on('error', (error) => ended(new Error(`an instance failed: ${error.message}`)));
    thread.on('exit', () => ended(new Error('an instance has ended')));
    return { thread, waiting };
  }
}

type Loaded = { readonly ok: true; readonly model: ModelDescription };

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
