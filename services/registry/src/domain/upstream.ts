import type { ModelVersion, Upstream } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

const addressPattern = /^[a-zA-Z0-9.-]{1,253}:\d{1,5}$/;
/** As the Open Inference Protocol's servers name models: no slash, no blank. */
const modelPattern = /^[\w.-]{1,255}$/;
const versionPattern = /^[\w.-]{0,64}$/;

/** What a version is run from: its file's hash, or where it is served. Two versions of one run and one origin are the same. */
export function servedFrom({ onnxSha256, upstream }: Pick<ModelVersion, 'onnxSha256' | 'upstream'>): string {
  return upstream === undefined ? onnxSha256 : `${upstream.address}/${upstream.model}/${upstream.version}`;
}

/**
 * A version that is served elsewhere has an address and a model there, and no file. Whether the address may be called is the gateway's to say.
 * @throws MillraceError invalid-argument naming the field, its value and what would be right
 */
export function checkUpstream({ onnxSha256 }: ModelVersion, { address, model, version }: Upstream): void {
  if (onnxSha256 !== '')
    throw new MillraceError('invalid-argument', 'onnx_sha256 and upstream: both are given, expected one of them');
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  if (!addressPattern.test(address) || port < 1 || port > 65_535) refuse('address', address, 'host:port');
  if (!modelPattern.test(model)) refuse('model', model, "1 to 255 letters, digits, '_', '.' and '-'");
  if (!versionPattern.test(version)) refuse('version', version, "at most 64 letters, digits, '_', '.' and '-'");
}

function refuse(field: string, value: string, right: string): never {
  throw new MillraceError('invalid-argument', `upstream.${field}: "${value.slice(0, 64)}", expected ${right}`);
}
