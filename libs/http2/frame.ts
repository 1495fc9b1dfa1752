/** RFC 9113, section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** `ack` is of SETTINGS and PING, `endStream` of DATA and HEADERS. */
export const frameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** RFC 9113, section 6.5.1. */
export const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** RFC 9113, section 7. */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const frameHeaderBytes = 9;
/** What we take in one frame: the protocol's default, which we leave as it is. */
export const maxFrameBytes = 16_384;
/** Of a flow-control window, and of a stream's number. */
export const maxInt31 = 2 ** 31 - 1;
/** Of every window that nobody has changed. */
export const defaultWindowBytes = 65_535;

/** What the peer did that ends the whole connection: it is told by GOAWAY. */
export class ConnectionError extends Error {
  /** @param code one of `errorCode` */
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** @param length of the payload, 0 to 2^24 - 1 @param at where in `into` the 9 bytes begin */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = streamId >>> 24;
  into[at + 6] = streamId >>> 16;
  into[at + 7] = streamId >>> 8;
  into[at + 8] = streamId;
}
