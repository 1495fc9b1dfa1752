import {
  mkdirSync,
  readdirSync,
  readFileSync,
  existsSync,
  writeFileSync,
  renameSync,
  rmSync,
  statSync,
  openSync,
  ftruncateSync,
  closeSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { takeFolder } from './folder-owner.js';

/** An entry as it was appended. Sequences count 1, 2, … without gaps, over restarts too. */
export interface WalEntry {
  readonly sequence: number;
  readonly payload: Buffer;
}

export interface WalOptions {
  readonly folder: string;
  /** Unshipped bytes at which appends are refused. */
  readonly maxBytes: number;
  /** Force every group to the disk before it counts as written: survives a power cut, not only a killed process. */
  readonly fsync: boolean;
  readonly segmentBytes?: number;
}

interface Place {
  readonly sequence: number;
  readonly path: string;
  readonly offset: number;
}

const headerBytes = 16; // u32 length, u32 crc32 of the payload, f64 sequence; little-endian
/** Digits of the mark of what is shipped: always as many, so that it can be written over in place. */
const markDigits = 16;
const maxEntryBytes = 64 * 1024 * 1024;
/** Copied to the page cache in about 50 us. */
const maxHeldUpBytes = 256 * 1024;

/**
 * An append-only log in segments `<first sequence>.wal`. `append` resolves once the operating system has the bytes (kill -9 loses nothing from then on); appends that
 * arrive while a write is under way go out together in the next one. A torn tail, which no append was answered for, is cut off when the log is opened.
 */
export class WriteAheadLog {
  /** Names this log for ever; kept beside it. */
  readonly id: string;
  private readonly segmentBytes: number;
  private segments: { first: number; path: string; bytes: number }[] = [];
  private file: FileHandle | undefined;
  /** The segment that is read. */
  private reader: { path: string; file: FileHandle } | undefined;
  private readonly mark: number;
  private next = 1;
  private shipped = 0;
  private cursor: Place | undefined;
  private waiting: { payload: Uint8Array; sequence: number; done: (error?: unknown) => void }[] = [];
  private writing: Promise<void> | undefined;
  private broken: unknown;

  constructor(private readonly options: WalOptions) {
    mkdirSync(options.folder, { recursive: true });
    takeFolder(options.folder);
    // Only whole segments are given up: a log of few of them would stay full for long after it was shipped.
    this.segmentBytes = options.segmentBytes ?? Math.min(32 * 1024 * 1024, options.maxBytes / 8);
    this.id = this.readOrMake('id', () => randomBytes(6).toString('hex'));
    this.shipped = Number(this.readOrMake('shipped', () => '0'));
    this.mark = openSync(join(options.folder, 'shipped'), 'r+');
    this.recover();
  }

  /** The sequence that the next append gets: known before the write, so that it can stand in the payload. */
  get nextSequence(): number {
    return this.next;
  }

  get shippedSequence(): number {
    return this.shipped;
  }

  /** Bytes that have not been shipped, as whole segments. */
  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /**
   * @param payload what to keep, made with the sequence that it gets
   * @throws MillraceError unavailable when the log is full or cannot be written any more
   */
  append(payload: Uint8Array): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.brokenError());
    // The last segment stays when all of it is shipped, and must not keep the log full.
    if (this.bytes >= this.options.maxBytes && this.shipped < this.next - 1)
      return Promise.reject(
        new MillraceError(
          'unavailable',
          `the prediction log holds ${this.bytes} bytes that could not be shipped (bound ${this.options.maxBytes}): is Kafka away?`,
        ),
      );
    const sequence = this.next;
    this.next += 1;
    return new Promise((resolve, reject) => {
      this.waiting.push({ payload, sequence, done: (error) => (error === undefined ? resolve() : reject(error)) });
      this.writing ??= this.writeAll();
    });
  }

  /** Entries after a sequence, in order, about `maxBytes` of them and at least one; empty = none yet. */
  async readAfter(sequence: number, maxBytes: number): Promise<WalEntry[]> {
    let place = this.cursor?.sequence === sequence ? this.cursor : this.placeOf(sequence);
    while (place !== undefined) {
      const { path, offset } = place;
      const read = await this.readAt(path, offset, maxBytes);
      const entries = read.filter((entry) => entry.sequence > sequence);
      const last = entries.at(-1);
      if (last !== undefined) {
        this.cursor = { sequence: last.sequence, path, offset: last.end };
        return entries;
      }
      // What comes before it in the segment may be more than one read has.
      const passed = read.at(-1);
      place = passed === undefined ? this.following(path) : { sequence: passed.sequence, path, offset: passed.end };
    }
    return [];
  }

  /**
   * Everything up to this sequence has arrived elsewhere: segments that hold nothing newer are deleted. One call at a time. The mark is written over in place, into the page cache: a file
   * that is written beside it and renamed takes five trips to other threads, twenty times a second, and a rename on the event loop was seen to hold up every answer for 4 ms.
   */
  async markShipped(sequence: number): Promise<void> {
    this.shipped = sequence;
    writeSync(this.mark, String(sequence).padStart(markDigits, '0'), 0);
    while (this.segments.length > 1 && this.segments[1]!.first <= sequence + 1) await rm(this.segments.shift()!.path);
  }

  async close(): Promise<void> {
    await this.writing;
    await this.file?.close();
    this.file = undefined;
    await this.reader?.file.close();
    this.reader = undefined;
    closeSync(this.mark);
  }

  private placeOf(sequence: number): Place | undefined {
    const segment = this.segments.findLast(({ first }) => first <= sequence + 1) ?? this.segments[0];
    return segment === undefined ? undefined : { sequence, path: segment.path, offset: 0 };
  }

  private following(path: string): Place | undefined {
    const at = this.segments.findIndex((segment) => segment.path === path);
    const next = this.segments[at + 1];
    return next === undefined ? undefined : { sequence: next.first - 1, path: next.path, offset: 0 };
  }

  /** Whole entries from a place on; reads further where one entry is larger than `maxBytes`. */
  private async readAt(path: string, offset: number, maxBytes: number): Promise<(WalEntry & { end: number })[]> {
    const written = this.segments.find((segment) => segment.path === path)?.bytes ?? 0;
    if (offset >= written) return [];
    for (let wanted = maxBytes; ; wanted *= 4) {
      const bytes = await this.readBytes(path, offset, Math.min(wanted, written - offset));
      const { entries } = parse(bytes, offset);
      if (entries.length > 0) return entries;
      if (bytes.length === written - offset) throw new Error(`${path} is damaged at byte ${offset}`);
    }
  }

  private async readBytes(path: string, offset: number, length: number): Promise<Buffer> {
    if (this.reader?.path !== path) {
      await this.reader?.file.close();
      this.reader = { path, file: await open(path, 'r') };
    }
    const { buffer, bytesRead } = await this.reader.file.read(Buffer.allocUnsafe(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting;
      this.waiting = [];
      try {
        await this.writeGroup(group);
        for (const { done } of group) done();
      } catch (error) {
        this.broken = error;
        for (const { done } of [...group, ...this.waiting]) done(this.brokenError());
        this.waiting = [];
      }
    }
    this.writing = undefined; // in the same turn as the look at `waiting`: whoever comes later starts anew
  }

  private async writeGroup(group: readonly { payload: Uint8Array; sequence: number }[]): Promise<void> {
    const segment = await this.segmentFor(group[0]!.sequence);
    const buffers = group.flatMap(({ payload, sequence }) => [headerOf(payload, sequence), payload]);
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    const bytesWritten = await this.writeBytes(bytes, buffers);
    if (bytesWritten !== bytes) throw new Error(`${bytesWritten} of ${bytes} bytes were written`);
    if (this.options.fsync) await this.file!.datasync();
    segment.bytes += bytes;
  }

  /** The page cache takes what is small in less time than it takes to hand it to another thread and hear of it: a twelfth of a lone answer's CPU, and of its latency. */
  private async writeBytes(bytes: number, buffers: readonly Uint8Array[]): Promise<number> {
    if (bytes <= maxHeldUpBytes && !this.options.fsync) return writevSync(this.file!.fd, buffers);
    return (await this.file!.writev(buffers)).bytesWritten;
  }

  private async segmentFor(sequence: number): Promise<{ bytes: number }> {
    const last = this.segments.at(-1);
    if (last !== undefined && this.file !== undefined && last.bytes < this.segmentBytes) return last;
    await this.file?.close();
    const path = join(this.options.folder, `${String(sequence).padStart(16, '0')}.wal`);
    this.file = await open(path, 'a');
    const made = { first: sequence, path, bytes: 0 };
    if (last?.path === path) this.segments.pop(); // opened again before anything was written to it
    this.segments.push(made);
    return made;
  }

  private recover(): void {
    const names = readdirSync(this.options.folder)
      .filter((name) => name.endsWith('.wal'))
      .sort();
    this.next = this.shipped + 1;
    for (const name of names) {
      const path = join(this.options.folder, name);
      const { entries, validBytes } = parse(readFileSync(path));
      if (validBytes < statSync(path).size) truncate(path, validBytes);
      if (entries.length === 0) rmSync(path);
      else this.segments.push({ first: entries[0]!.sequence, path, bytes: validBytes });
      this.next = Math.max(this.next, (entries.at(-1)?.sequence ?? 0) + 1);
    }
  }

  private brokenError(): MillraceError {
    return new MillraceError(
      'unavailable',
      `the prediction log in ${this.options.folder} cannot be written: ${String(this.broken)}`,
      { cause: this.broken },
    );
  }

  private readOrMake(name: string, make: () => string): string {
    const path = join(this.options.folder, name);
    if (!existsSync(path)) this.write(name, make());
    return readFileSync(path, 'utf8');
  }

  private write(name: string, value: string): void {
    const path = join(this.options.folder, name);
    writeFileSync(`${path}.part`, value);
    renameSync(`${path}.part`, path);
  }
}

function headerOf(payload: Uint8Array, sequence: number): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32LE(payload.byteLength, 0);
  header.writeUInt32LE(crc32(payload), 4);
  header.writeDoubleLE(sequence, 8);
  return header;
}

/** Reads whole entries up to the first that is cut short or does not match its checksum. */
function parse(bytes: Buffer, from = 0): { entries: (WalEntry & { end: number })[]; validBytes: number } {
  const entries: (WalEntry & { end: number })[] = [];
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const payload = bytes.subarray(at + headerBytes, at + headerBytes + length);
    if (length > maxEntryBytes || payload.length < length || crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
    const sequence = bytes.readDoubleLE(at + 8);
    at += headerBytes + length;
    entries.push({ sequence, payload, end: from + at });
  }
  return { entries, validBytes: at };
}

function truncate(path: string, bytes: number): void {
  const file = openSync(path, 'r+');
  ftruncateSync(file, bytes);
  closeSync(file);
}
