/** The strings of a BYTES tensor: each with its length before it, u32 little-endian. */
export function decodeStrings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  const strings: string[] = [];
  for (let at = 0; at < buffer.length;) {
    const from = at + 4;
    at = from + buffer.readUInt32LE(at);
    strings.push(buffer.toString('utf8', from, at));
  }
  return strings;
}
