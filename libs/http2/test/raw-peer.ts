import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { frameFlag, frameHeaderBytes, frameType, settingId, writeFrameHeader } from '../frame.js';
import { HpackDecoder } from '../hpack-decoder.js';
import { encodeHeaders } from '../hpack-encoder.js';
import { encodeSettings } from '../peer-settings.js';

/** What a client says first. */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const nothing: Buffer = Buffer.alloc(0);
const patienceMs = 15_000;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** One frame, right or wrong. @param length what its header says of the payload */
export function frame(type: number, flags = 0, streamId = 0, payload = nothing, length = payload.length): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  writeFrameHeader(bytes, 0, length, type, flags, streamId);
  payload.copy(bytes, frameHeaderBytes);
  return bytes;
}

export function number(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return frame(type, 0, streamId, payload);
}

/** @param values by `settingId` */
export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const pairs = Object.entries(values).map(([id, value]) => [Number(id), value] as const);
  return frame(frameType.settings, 0, 0, encodeSettings(pairs));
}

/** The header block of a gRPC call. */
export function callHeaders(path: string, ...more: string[]): Buffer {
  const fixed = [':method', 'POST', ':scheme', 'http', ':path', path, ':authority', 'test', 'te', 'trailers'];
  return encodeHeaders([...fixed, 'content-type', 'application/grpc', ...more]);
}

/** A message as gRPC frames it. @param length what its prefix says */
export function message(bytes: Buffer, length = bytes.length, isPacked = false): Buffer {
  const prefix = Buffer.from([Number(isPacked), 0, 0, 0, 0]);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** HEADERS, and the message in one DATA frame that ends the request. */
export function unaryCall(streamId: number, path: string, bytes: Buffer): Buffer {
  return Buffer.concat([
    frame(frameType.headers, frameFlag.endHeaders, streamId, callHeaders(path)),
    frame(frameType.data, frameFlag.endStream, streamId, message(bytes)),
  ]);
}

/** An end of a connection that keeps no rule unless it is told to: it sends bytes, and remembers the frames that come. It answers nothing by itself. */
export class RawPeer {
  readonly received: Frame[] = [];
  isOver = false;
  private rest: Buffer = nothing;
  private waiting: (() => void)[] = [];

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    // A peer that is thrown out in the middle of a write hears of it by an error; the close that follows is what counts.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isOver = true;
      this.wake();
    });
  }

  /** Begins as HTTP/2 does. @param values by `settingId` */
  static connect(port: number, values: Readonly<Record<number, number>> = {}): Promise<RawPeer> {
    return RawPeer.greeting(port, Buffer.concat([preface, settings(values)]));
  }

  /** Begins by bytes of its own. */
  static async greeting(port: number, bytes: Buffer): Promise<RawPeer> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const peer = new RawPeer(socket);
    await peer.send(bytes);
    return peer;
  }

  get goawayCode(): number | undefined {
    return this.received.findLast(({ type }) => type === frameType.goaway)?.payload.readUInt32BE(4);
  }

  /** What was said by headers and trailers of a stream: names and values. */
  headersOf(streamId: number): string[] {
    // The server indexes nothing: a block can be read for itself.
    const blocks = this.received.filter((one) => one.type === frameType.headers && one.streamId === streamId);
    return blocks.flatMap(({ payload }) => new HpackDecoder().decode(payload) ?? []);
  }

  hasEnded(streamId: number): boolean {
    return this.received.some((one) => one.streamId === streamId && isLast(one));
  }

  /** What the server lets it send, as it has said so far; told once, for what is sent by these. */
  windows(): Windows {
    return new Windows(this.received);
  }

  /** Waits until a stream is over. @returns grpc-status, or undefined where it was reset */
  async statusOf(streamId: number): Promise<string | undefined> {
    await this.first((one) => one.streamId === streamId && isLast(one));
    const said = this.headersOf(streamId);
    const at = said.indexOf('grpc-status');
    return at < 0 ? undefined : said[at + 1];
  }

  /** Resolves when the kernel has it, or the connection is over. */
  async send(...parts: Buffer[]): Promise<void> {
    if (this.isOver) return;
    await new Promise<void>((resolve) => {
      this.socket.once('close', resolve);
      this.socket.write(Buffer.concat(parts), () => {
        this.socket.off('close', resolve);
        resolve();
      });
    });
  }

  /** Sends it again and again until the connection is over. @param most times @returns how often it was sent */
  async flood(bytes: Buffer | ((turn: number) => Buffer), most: number): Promise<number> {
    let turn = 0;
    for (; turn < most && !this.isOver; turn++) {
      await this.send(typeof bytes === 'function' ? bytes(turn) : bytes);
      await new Promise((resolve) => setImmediate(resolve)); // else what comes is never looked at
    }
    return turn;
  }

  /** Reads nothing from now on. */
  stopReading(): void {
    this.socket.pause();
  }

  /** @returns the first of what has come, or will, that is so. @throws Error when the connection ends before, or it takes too long */
  async first(is: (frame: Frame) => boolean): Promise<Frame> {
    let found: Frame | undefined;
    await this.until(() => (found = this.received.find(is)) !== undefined || this.isOver);
    if (found === undefined) throw new Error('the connection ended before the frame came');
    return found;
  }

  /** The other side still answers: what was sent before has been taken. */
  async ping(): Promise<void> {
    const payload = Buffer.from(String(Math.random()).padEnd(8).slice(-8));
    await this.send(frame(frameType.ping, 0, 0, payload));
    await this.first(({ type, payload: answered }) => type === frameType.ping && answered.equals(payload));
  }

  /** Waits for the other side to end the connection. @throws Error when it does not */
  async ended(): Promise<void> {
    this.socket.resume();
    await this.until(() => this.isOver);
  }

  close(): void {
    this.socket.destroy();
  }

  private async until(holds: () => boolean): Promise<void> {
    const untilMs = Date.now() + patienceMs;
    while (!holds()) {
      if (Date.now() > untilMs) throw new Error('the other side has not done it within 15 s');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const one of waiting) one();
  }

  private take(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (;;) {
      const end = bytes.length < frameHeaderBytes ? Infinity : frameHeaderBytes + bytes.readUIntBE(0, 3);
      if (end > bytes.length) break;
      const payload = Buffer.from(bytes.subarray(frameHeaderBytes, end));
      this.received.push({ type: bytes[3]!, flags: bytes[4]!, streamId: bytes.readUInt32BE(5), payload });
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
    this.wake();
  }
}

function isLast({ type, flags, streamId }: Frame): boolean {
  return streamId > 0 && (type === frameType.rstStream || (flags & frameFlag.endStream) !== 0);
}

/** Keeps the windows of a peer that keeps that rule: those of the streams as the server's first SETTINGS say. */
export class Windows {
  private seen = 0;
  private initial = 65_535;
  private readonly given = new Map<number, number>([[0, 65_535]]);
  private readonly sent = new Map<number, number>();

  constructor(private readonly received: readonly Frame[]) {}

  sentBytes(streamId: number): number {
    return this.sent.get(streamId) ?? 0;
  }

  /** @returns false where the server does not let it send so much now */
  take(streamId: number, bytes: number): boolean {
    this.read();
    const ofStream = this.initial + (this.given.get(streamId) ?? 0) - this.sentBytes(streamId);
    const ofAll = (this.given.get(0) ?? 0) - this.sentBytes(0);
    if (Math.min(ofStream, ofAll) < bytes) return false;
    for (const id of [0, streamId]) this.sent.set(id, this.sentBytes(id) + bytes);
    return true;
  }

  private read(): void {
    for (; this.seen < this.received.length; this.seen++) {
      const { type, flags, streamId, payload } = this.received[this.seen]!;
      if (type === frameType.windowUpdate)
        this.given.set(streamId, (this.given.get(streamId) ?? 0) + payload.readUInt32BE(0));
      if (type !== frameType.settings || (flags & frameFlag.ack) !== 0) continue;
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === settingId.initialWindowSize) this.initial = payload.readUInt32BE(at + 2);
    }
  }
}
