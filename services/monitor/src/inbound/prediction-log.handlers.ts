import type {
  ListPredictionsRequest,
  ListPredictionsResponse,
  LoggedPrediction,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { encodeCursor } from '../domain/log-cursor.js';
import { questionOf } from '../domain/log-question.js';
import type { LogRow, PredictionsReader } from '../outbound/predictions.reader.js';

/** A page ends earlier rather than be larger: most gRPC clients take 4 MiB unless told otherwise. */
const mostPageBytes = 3 * 1024 * 1024;

interface Names {
  namesOf(digest: string): readonly string[];
}

/** The call that pages through the prediction log. */
export class PredictionLogHandlers {
  constructor(
    private readonly reader: Pick<PredictionsReader, 'page'>,
    private readonly versions: ReadonlyMap<string, Pick<ModelVersion, 'features'>>,
    private readonly names: Names,
  ) {}

  /** Rows that come in while somebody pages are newer than his cursor or, late, older: no row is repeated, and none that was there is skipped. @throws MillraceError invalid-argument, unavailable */
  async list(request: ListPredictionsRequest): Promise<ListPredictionsResponse> {
    const question = questionOf(request);
    const rows = await this.reader.page({ ...question, limit: question.limit + 1 });
    const predictions = withinSize(rows.slice(0, question.limit).map((row) => this.logged(row)));
    const last = predictions.at(-1);
    return { predictions, next: last !== undefined && predictions.length < rows.length ? encodeCursor(last) : '' };
  }

  private logged({ model, request, label, featureServiceDigest, ...row }: LogRow): LoggedPrediction {
    return {
      ...row,
      label: label ?? undefined,
      requestJson: Buffer.from(request),
      features: [...row.features],
      featureNames: this.namesOf(model, row.modelVersion, featureServiceDigest, row.features.length),
    };
  }

  /** A vector has all features of its service; a version that reads some of them has them in the same order, so names of the right count are the right ones. */
  private namesOf(model: string, version: string, digest: string, width: number): string[] {
    const known = [this.names.namesOf(digest), this.versions.get(`${model}@${version}`)?.features ?? []];
    return [...(known.find((names) => names.length === width) ?? [])];
  }
}

function withinSize(predictions: LoggedPrediction[]): LoggedPrediction[] {
  let bytes = 0;
  const end = predictions.findIndex((one, i) => {
    bytes += 500 + one.requestJson.length + 4 * one.features.length;
    for (const name of one.featureNames) bytes += name.length + 3;
    return bytes > mostPageBytes && i > 0;
  });
  return end < 0 ? predictions : predictions.slice(0, end);
}
