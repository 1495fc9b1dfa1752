import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** What generated code has for a message. */
export interface MessageCodec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
}

/** A writer that has grown beyond this is not kept, bytes: one giant message would hold its room for ever. */
const mostKept = 1024 * 1024;

let kept = new BinaryWriter();

/**
 * The bytes of a message. What the generated code does by itself starts each message with room for 128 bytes, doubles that until it fits and copies the result twice; this keeps its room, and copies once.
 * @throws Error where a field is out of range
 */
export function encodeMessage<T>(codec: MessageCodec<T>, message: T): Buffer {
  let bytes: Uint8Array;
  try {
    bytes = codec.encode(message, kept).finish();
  } catch (error) {
    kept = new BinaryWriter(); // nothing of what is half-written may begin the next message
    throw error;
  }
  if (bytes.length > mostKept) kept = new BinaryWriter();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
