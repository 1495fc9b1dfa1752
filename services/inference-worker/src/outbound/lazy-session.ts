import type { AskModel } from '../domain/model-explainer.js';
import { createSession, type ModelContract, readContract, runSession } from './onnx-session.js';

interface Open {
  readonly session: Awaited<ReturnType<typeof createSession>>;
  readonly contract: ModelContract;
}

/** A session that is created when it is asked for the first time, and again after it was released. */
export class LazySession {
  private open: Open | undefined;

  /** @param untilMs on performance.now(): later than that nothing is run, for nobody waits for it @param late the error then */
  constructor(
    private readonly bytes: Buffer,
    private readonly sha256: string,
    public untilMs: number,
    private readonly late: (message: string) => Error,
  ) {}

  readonly ask: AskModel = async (rows, count) => {
    if (performance.now() >= this.untilMs) throw this.late('the explanation took longer than timeout_ms');
    const { session, contract } = (this.open ??= await this.create());
    return runSession(session, contract, rows, count);
  };

  async release(): Promise<void> {
    await this.open?.session.release();
    this.open = undefined;
  }

  private async create(): Promise<Open> {
    const session = await createSession(this.bytes);
    const contract = readContract(session, this.sha256);
    if (!('ok' in contract)) return { session, contract };
    await session.release();
    throw new Error(contract.message);
  }
}
