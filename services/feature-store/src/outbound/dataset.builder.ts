import { ArtifactChunk, RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Artifact } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { BuildDatasetProgress } from '#libs/contracts/generated/millrace/features/v1/features.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { buildDataset, type DatasetQuestion } from '../domain/build-dataset.js';
import { encodeParquet } from '../domain/parquet-dataset.js';
import type { HistoryStore } from '../domain/ports.js';
import type { HistoryConsumer } from '../inbound/history.consumer.js';

const chunkBytes = 512 * 1024;

/** Builds training sets from the history and keeps them as artifacts, known by the hash of their content. */
export class DatasetBuilder {
  constructor(
    private readonly history: HistoryStore,
    private readonly consumer: HistoryConsumer,
    private readonly registry: Peer<RegistryClient>,
  ) {}

  /** Waits until everything that is valid now is in the history, then builds; yields progress, and the snapshot last. */
  async *build(question: DatasetQuestion, signal: AbortSignal): AsyncIterable<BuildDatasetProgress> {
    const streams = new Set([
      question.plan.spine.name,
      question.label.stream,
      ...question.plan.items.flatMap((item) => ('lookup' in item ? [item.lookup.view.stream] : [])),
    ]);
    for (const stream of streams) await this.consumer.caughtUp(stream, signal);
    yield BuildDatasetProgress.fromPartial({ rowsDone: 0 });
    const dataset = await buildDataset(this.history, question, () => signal.throwIfAborted());
    const rows = dataset.eventTimesMs.length;
    yield BuildDatasetProgress.fromPartial({ rowsDone: rows, rowsTotal: rows });
    const artifact = await this.put(encodeParquet(dataset));
    yield BuildDatasetProgress.fromPartial({
      rowsDone: rows,
      rowsTotal: rows,
      snapshot: {
        sha256: artifact.sha256,
        sizeBytes: artifact.sizeBytes,
        rows,
        labelledRows: dataset.labels.reduce((count, label) => count + (Number.isNaN(label) ? 0 : 1), 0),
        features: [...dataset.featureNames],
        featureServiceDigest: question.plan.digest,
        fromMs: question.fromMs,
        toMs: question.toMs,
        positions: [],
      },
    });
  }

  private put(bytes: Buffer): Promise<Artifact> {
    return new Promise((resolve, reject) => {
      const call = this.registry.stub.putArtifact(
        this.registry.metadata,
        { deadline: Date.now() + 120_000 },
        (error, artifact) => {
          if (error) reject(fromServiceError(error, 'registry'));
          else resolve(artifact);
        },
      );
      for (let at = 0; at < bytes.length; at += chunkBytes)
        call.write(ArtifactChunk.fromPartial({ data: bytes.subarray(at, at + chunkBytes) }));
      call.end();
    });
  }
}
