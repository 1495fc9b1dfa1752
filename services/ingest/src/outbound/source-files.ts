import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import type { SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { beginning, type Place, type SourceEvent, type SourceRow, sliceOf } from '../domain/source-rows.js';
import { readCsv } from './csv.reader.js';
import { readJsonLines } from './json-lines.reader.js';
import { readParquet } from './parquet.reader.js';

const maxPlaces = 1_000;

interface Remembered {
  /** The file's size and the time of its last change: when they differ, the places are forgotten. */
  readonly version: string;
  readonly places: Place[];
}

/** Reads the files of Source definitions. It remembers where the slices read so far end, so that a replay in slices does not read from the beginning each time. */
export class SourceFiles {
  private readonly remembered = new Map<string, Remembered>();

  constructor(private readonly folder: string) {}

  /**
   * Rows with from <= event time < to, in the order of the file.
   * @throws MillraceError not-found (no such file), permission-denied (outside of SOURCES_DIR), failed-precondition (a row that cannot be an event, naming it)
   */
  async *read(source: SourceSpec, stream: StreamSpec, fromMs: number, toMs: number): AsyncGenerator<SourceEvent> {
    const path = await this.pathOf(source);
    const places = await this.placesOf(path, stream);
    // The header of a CSV file is at its beginning, and so every slice begins there.
    const found = source.connector === 'csv' ? undefined : places.findLast((place) => place.eventTimeMs <= fromMs);
    const start = found ?? beginning;
    const remember = (place: Place): void => insert(places, place);
    yield* sliceOf(rowsOf(path, source, stream, start), { source, stream, start, fromMs, toMs, remember });
  }

  /** Links are followed before it is decided what is inside. */
  private async pathOf({ name, path }: SourceSpec): Promise<string> {
    const outside = new MillraceError('permission-denied', `source ${name}: path ${path} is outside of SOURCES_DIR`);
    if (isAbsolute(path) || path.split(/[\\/]/).includes('..')) throw outside;
    const missing = new MillraceError('not-found', `source ${name}: there is no file ${path} in SOURCES_DIR`);
    const [folder, file] = await Promise.all([realpath(this.folder), realpath(join(this.folder, path))]).catch(() => {
      throw missing;
    });
    if (!file.startsWith(folder + sep)) throw outside;
    if (!(await stat(file)).isFile()) throw missing;
    return file;
  }

  private async placesOf(path: string, { eventTime }: StreamSpec): Promise<Place[]> {
    const { size, mtimeMs } = await stat(path);
    const version = `${size}/${mtimeMs}`;
    const key = `${path}\n${eventTime}`;
    const known = this.remembered.get(key);
    if (known?.version === version) return known.places;
    const places: Place[] = [];
    this.remembered.set(key, { version, places });
    return places;
  }
}

function rowsOf(path: string, source: SourceSpec, stream: StreamSpec, start: Place): AsyncIterable<SourceRow> {
  switch (source.connector) {
    case 'jsonl':
      return readJsonLines(path, source, start);
    case 'csv':
      return readCsv(path, source, stream);
    case 'parquet':
      return readParquet(path, source, start);
  }
}

/** Keeps them in order of time; the earliest goes when there are too many. */
function insert(places: Place[], place: Place): void {
  const before = places.findLastIndex(({ eventTimeMs }) => eventTimeMs <= place.eventTimeMs);
  if (before >= 0 && places[before]!.eventTimeMs === place.eventTimeMs) return;
  places.splice(before + 1, 0, place);
  if (places.length > maxPlaces) places.shift();
}
