import { ConnectionError, errorCode, frameFlag } from './frame.js';
import { HpackDecoder, type HeaderList } from './hpack-decoder.js';
import { HpackError } from './hpack-error.js';

/** Of one block as it comes, packed, bytes: four times the list that it may be. More cannot be passed over, for the table would not be in step. */
const maxBlockBytes = 65_536;
/** Of one block: whoever sends a block in crumbs wants something else (CVE-2024-27983). */
const maxContinuations = 16;

/** A header block that is whole. */
export interface HeaderBlock {
  readonly streamId: number;
  /** No DATA and no trailers follow. */
  readonly end: boolean;
  /** Undefined = larger than we take. */
  readonly headers: HeaderList | undefined;
  /** It says that its stream depends on itself. */
  readonly isSelfDependent: boolean;
}

/** HEADERS and the CONTINUATIONs after it, joined and decoded. */
export class HeaderBlocks {
  private readonly decoder: HpackDecoder;
  private open: { first: HeaderBlock; parts: Buffer[]; bytes: number } | undefined;

  /** @param maxListBytes of the list, as RFC 9113, section 10.5.1, counts */
  constructor(maxListBytes: number) {
    this.decoder = new HpackDecoder(undefined, maxListBytes);
  }

  /** A block has begun and is not whole: nothing but its CONTINUATION may come. */
  get isOpen(): boolean {
    return this.open !== undefined;
  }

  /** @returns undefined = more is to come @throws ConnectionError */
  begin(flags: number, streamId: number, payload: Buffer): HeaderBlock | undefined {
    let fragment = unpadded(flags, payload);
    let isSelfDependent = false;
    if ((flags & frameFlag.priority) !== 0) {
      if (fragment.length < 5) throw new ConnectionError(errorCode.frameSizeError, 'HEADERS without its priority');
      isSelfDependent = (fragment.readUInt32BE(0) & 0x7fffffff) === streamId;
      fragment = fragment.subarray(5);
    }
    const end = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) return { streamId, end, isSelfDependent, headers: this.decode(fragment) };
    const first = { streamId, end, isSelfDependent, headers: undefined };
    this.open = { first, parts: [Buffer.from(fragment)], bytes: fragment.length };
    return undefined;
  }

  /** @returns undefined = more is to come @throws ConnectionError */
  goOn(flags: number, streamId: number, payload: Buffer): HeaderBlock | undefined {
    const { open } = this;
    if (open === undefined || open.first.streamId !== streamId)
      throw new ConnectionError(errorCode.protocolError, 'CONTINUATION of no header block');
    open.parts.push(Buffer.from(payload));
    open.bytes += payload.length;
    if (open.bytes > maxBlockBytes || open.parts.length > maxContinuations)
      throw new ConnectionError(errorCode.enhanceYourCalm, `a header block of more than ${maxBlockBytes} bytes`);
    if ((flags & frameFlag.endHeaders) === 0) return undefined;
    this.open = undefined;
    return { ...open.first, headers: this.decode(Buffer.concat(open.parts)) };
  }

  private decode(block: Buffer): HeaderList | undefined {
    try {
      return this.decoder.decode(block);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(errorCode.compressionError, error.message);
    }
  }
}

/** The payload of DATA or HEADERS without its padding. @throws ConnectionError where that is longer than the payload */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & frameFlag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length)
    throw new ConnectionError(errorCode.protocolError, `padding of ${padding} bytes in ${payload.length}`);
  return payload.subarray(1, payload.length - padding);
}
