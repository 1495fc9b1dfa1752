import { parquetMetadata, parquetRead, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { type FeatureReference, positionsOf, referenceOf } from '../domain/reference-histograms.js';

/**
 * What a version's features looked like in the rows that it was trained on: from its training set in the artifact store, a column at a time.
 * @throws MillraceError not-found: the training set is not in the store; Error: it does not have a feature of the version
 */
export async function readReferences(artifacts: ArtifactStore, version: ModelVersion): Promise<FeatureReference[]> {
  const bytes = await artifacts.read(version.datasetSha256);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const columns = parquetSchema(parquetMetadata(file)).children.map(({ element }) => element.name);
  const positions = positionsOf(columns, version.features);
  const splits = await readColumn(file, 'split');
  const references: FeatureReference[] = [];
  for (const [feature, position] of positions) {
    const values = (await readColumn(file, feature)).filter((_, row) => splits[row] === 'train');
    references.push(referenceOf(feature, position, values.map(Number)));
  }
  return references;
}

async function readColumn(file: ArrayBuffer, name: string): Promise<unknown[]> {
  const values: unknown[] = [];
  await parquetRead({
    file,
    compressors,
    columns: [name],
    onChunk: ({ columnData, rowStart }) => {
      for (let i = 0; i < columnData.length; i += 1) values[rowStart + i] = columnData[i];
    },
  });
  return values;
}
