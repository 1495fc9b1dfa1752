import type { TraceContext } from '#libs/telemetry/trace-context.js';

/** Blocks wait here only while Kafka is away; beyond this the newest are shipped untraced. */
const maxKept = 1_000;

/** Which trace a block of the write-ahead log goes on in, from its write to its shipping. In memory only: what is shipped after a restart is in the log, and in no trace. */
export class BlockTraces {
  private readonly bySequence = new Map<number, TraceContext>();

  /** @param logged what the block holds; the first that is traced counts, and of none nothing is kept */
  keep(sequence: number, logged: readonly { readonly trace?: TraceContext | undefined }[]): void {
    const trace = logged.find((one) => one.trace !== undefined)?.trace;
    if (trace !== undefined && this.bySequence.size < maxKept) this.bySequence.set(sequence, trace);
  }

  find(sequence: number): TraceContext | undefined {
    return this.bySequence.get(sequence);
  }

  /** Those up to this one have been shipped. */
  forget(sequence: number): void {
    for (const known of this.bySequence.keys()) if (known <= sequence) this.bySequence.delete(known);
  }
}
