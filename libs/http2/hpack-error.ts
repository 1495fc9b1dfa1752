/** A header block that breaks RFC 7541. The tables of both ends are out of step from then on: the connection ends with COMPRESSION_ERROR. */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}
