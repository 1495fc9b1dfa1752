import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asyncBufferFromFile, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { projectRoot } from '#libs/storage/sql-file.js';
import { arrivalEvent, arrivalMs, departureEvent, type Flight } from './flight-events.js';
import { ZoneClock } from './zone-clock.js';

export interface HistoryOptions {
  /** Keep flights from or to this airport; undefined = all. */
  readonly hub: string | undefined;
  /** Local date of departure, inclusive, e.g. 2001-04-09. */
  readonly from: string;
  /** Folder that gets departures.jsonl and arrivals.jsonl. */
  readonly folder: string;
}

export interface History {
  readonly flights: number;
  /** Departure events in order of departure, with their instant. */
  readonly departures: string;
  readonly arrivals: string;
}

/** Of the events: files that an earlier version of this wrote are written again. */
const eventFormat = 2;

/** Writes the two event files, each sorted by event time; keeps what an earlier run with the same options wrote. */
export async function writeHistory(options: HistoryOptions): Promise<History> {
  const departures = join(options.folder, 'departures.jsonl');
  const arrivals = join(options.folder, 'arrivals.jsonl');
  const stamp = join(options.folder, 'history.json');
  const wanted = { hub: options.hub ?? null, from: options.from, format: eventFormat };
  const kept = readStamp(stamp);
  if (kept !== undefined && kept.hub === wanted.hub && kept.from === wanted.from && kept.format === wanted.format)
    return { flights: kept.flights, departures, arrivals };
  const flights = await readFlights(options);
  const timed = flights.map((flight) => ({ flight, departureMs: instantOf(flight) }));
  timed.sort((a, b) => a.departureMs - b.departureMs || a.flight.row - b.flight.row);
  writeLines(
    departures,
    timed.map((t) => departureEvent(t.flight, t.departureMs)),
  );
  timed.sort((a, b) => landed(a) - landed(b) || a.flight.row - b.flight.row);
  writeLines(
    arrivals,
    timed.map((t) => arrivalEvent(t.flight, t.departureMs)),
  );
  writeFileSync(stamp, JSON.stringify({ ...wanted, flights: flights.length }));
  return { flights: flights.length, departures, arrivals };
}

interface Timed {
  readonly flight: Flight;
  readonly departureMs: number;
}

function landed({ flight, departureMs }: Timed): number {
  return arrivalMs(departureMs, flight.distance);
}

interface Stamp {
  readonly hub: string | null;
  readonly from: string;
  readonly format?: number;
  readonly flights: number;
}

function readStamp(path: string): Stamp | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  return JSON.parse(readFileSync(path, 'utf8')) as Stamp;
}

function writeLines(path: string, rows: readonly object[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  renameSync(`${path}.part`, path);
}

/** The package's Parquet file: date is a timestamp without zone, read here as if it were UTC; delay and distance are int64. */
async function readFlights({ hub, from }: HistoryOptions): Promise<Flight[]> {
  const file = await asyncBufferFromFile(join(projectRoot(), 'node_modules/vega-datasets/data/flights-3m.parquet'));
  const fromMs = Date.parse(`${from}T00:00:00Z`);
  const columns = new Map<string, unknown[]>();
  await parquetRead({
    file,
    compressors,
    onChunk: ({ columnName, columnData, rowStart }) => {
      const column = columns.get(columnName) ?? [];
      columns.set(columnName, column);
      for (let i = 0; i < columnData.length; i += 1) column[rowStart + i] = columnData[i];
    },
  });
  const [dates, delays, distances] = [
    columns.get('date') as Date[],
    columns.get('delay') as bigint[],
    columns.get('distance') as bigint[],
  ];
  const [origins, destinations] = [columns.get('origin') as string[], columns.get('destination') as string[]];
  const flights: Flight[] = [];
  for (let row = 0; row < dates.length; row += 1) {
    const [origin, destination, localMs] = [origins[row]!, destinations[row]!, dates[row]!.getTime()];
    if (localMs < fromMs || (hub !== undefined && origin !== hub && destination !== hub)) continue;
    flights.push({ row, localMs, delay: Number(delays[row]), distance: Number(distances[row]), origin, destination });
  }
  return flights;
}

const clocks = new Map<string, ZoneClock>();
let zones: Map<string, string> | undefined;

function instantOf(flight: Flight): number {
  zones ??= readZones();
  const zone = zones.get(flight.origin);
  if (zone === undefined) throw new Error(`airport ${flight.origin} has no zone in airport-zones.csv`);
  let clock = clocks.get(zone);
  if (clock === undefined) {
    clock = new ZoneClock(zone);
    clocks.set(zone, clock);
  }
  return clock.toInstant(flight.localMs);
}

function readZones(): Map<string, string> {
  const lines = readFileSync(join(projectRoot(), 'examples/flights/airport-zones.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1);
  return new Map(lines.map((line) => line.split(',') as [string, string]));
}
