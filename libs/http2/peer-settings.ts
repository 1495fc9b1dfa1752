import { ConnectionError, defaultWindowBytes, errorCode, maxFrameBytes, maxInt31, settingId } from './frame.js';

/** What we send in one frame at most, bytes, whatever the peer takes: others wait for it. */
const largestFrameBytes = 65_536;
const defaultTableBytes = 4_096;
const settingBytes = 6;

/** The payload of a SETTINGS frame. @param settings ids of `settingId` with values of 32 bits */
export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * settingBytes);
  for (const [i, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, i * settingBytes);
    payload.writeUInt32BE(value, i * settingBytes + 2);
  }
  return payload;
}

/** What the peer has asked for by SETTINGS. */
export class PeerSettings {
  initialWindowBytes = defaultWindowBytes;
  maxFrameBytes = maxFrameBytes;
  /** Its decoder keeps less than it did: our next block has to say that we index nothing (RFC 7541, section 4.2). */
  isTableSmaller = false;

  /** @param payload of a SETTINGS frame @throws ConnectionError */
  read(payload: Buffer): void {
    if (payload.length % settingBytes !== 0)
      throw new ConnectionError(errorCode.frameSizeError, `SETTINGS of ${payload.length} bytes, six are one setting`);
    for (let at = 0; at < payload.length; at += settingBytes)
      this.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }

  private set(id: number, value: number): void {
    const refuse = (code: number, name: string) => {
      throw new ConnectionError(code, `${name}: ${value}`);
    };
    if (id === settingId.headerTableSize) this.isTableSmaller = value < defaultTableBytes;
    else if (id === settingId.enablePush && value > 1) refuse(errorCode.protocolError, 'SETTINGS_ENABLE_PUSH');
    else if (id === settingId.initialWindowSize) {
      if (value > maxInt31) refuse(errorCode.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE');
      this.initialWindowBytes = value;
    } else if (id === settingId.maxFrameSize) {
      if (value < maxFrameBytes || value > 2 ** 24 - 1) refuse(errorCode.protocolError, 'SETTINGS_MAX_FRAME_SIZE');
      this.maxFrameBytes = Math.min(value, largestFrameBytes);
    }
  }
}
