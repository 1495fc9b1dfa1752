import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { unreadable } from '../unreadable-requests.js';
import { MessageRefused } from './message-reader.js';

const [unzip, inflated] = [promisify(gunzip), promisify(inflate)];

/**
 * @param encoding what grpc-encoding says
 * @param maxBytes of the message, unpacked
 * @throws MessageRefused where it is larger, not of that encoding, or of one that we do not know
 */
export async function decompress(bytes: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  const unpack = encoding === 'gzip' ? unzip : encoding === 'deflate' ? inflated : undefined;
  if (unpack === undefined)
    throw new MessageRefused(
      encoding === 'identity' ? status.INVALID_ARGUMENT : status.UNIMPLEMENTED,
      `grpc-encoding: ${encoding.slice(0, 64)}, and a message is compressed; gzip and deflate are understood`,
    );
  try {
    return await unpack(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new MessageRefused(
        status.RESOURCE_EXHAUSTED,
        `Received message that decompresses to a size larger than ${maxBytes}`,
      );
    throw new MessageRefused(status.INVALID_ARGUMENT, unreadable.compression);
  }
}
