import { createHash } from 'node:crypto';
import type { VerifyVectorsRequest } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ServicePlan } from '../domain/plans.js';
import type { HistoryStore } from '../domain/ports.js';
import { verifyVectors, type Verification } from '../domain/verify-vectors.js';
import type { HistoryConsumer } from '../inbound/history.consumer.js';

/** DateTime64(3) ends in 2299. */
const farFutureMs = 10_000_000_000_000;

/** Compares what was served with what the history says. */
export class VectorVerifier {
  constructor(
    private readonly history: HistoryStore,
    private readonly consumer: HistoryConsumer,
  ) {}

  async verify(
    plan: ServicePlan,
    { endpoint, fromMs, toMs, samplePercent }: VerifyVectorsRequest,
    signal: AbortSignal,
  ): Promise<Verification> {
    if (samplePercent > 100)
      throw new MillraceError('invalid-argument', `sample_percent: ${samplePercent} is above 100`);
    for (const stream of new Set(plan.items.flatMap((item) => ('lookup' in item ? [item.lookup.view.stream] : []))))
      await this.consumer.caughtUp(stream, signal);
    const window = { fromMs, toMs: toMs || farFutureMs };
    return verifyVectors(this.history, plan, endpoint, window, sampler(samplePercent || 100));
  }
}

/** By key, so that the same predictions are compared whenever one asks. */
function sampler(percent: number): (joinKey: string) => boolean {
  if (percent === 100) return () => true;
  return (joinKey) => createHash('sha256').update(joinKey).digest().readUInt32BE(0) % 100 < percent;
}
