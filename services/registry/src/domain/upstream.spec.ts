import { describe, expect, it } from '@jest/globals';
import { ModelVersion, type Upstream } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { checkUpstream, servedFrom } from './upstream.js';

const upstream: Upstream = { address: 'triton:8001', model: 'resnet', version: '' };
const check = (more: Partial<Upstream>, onnxSha256 = '') =>
  checkUpstream(ModelVersion.fromPartial({ onnxSha256 }), { ...upstream, ...more });

describe('a version that is served elsewhere', () => {
  it('has an address and a model, and perhaps a version', () => {
    expect(() => check({})).not.toThrow();
    expect(() => check({ address: '10.0.0.1:65535', version: '1' })).not.toThrow();
  });

  it.each([
    [{ address: 'triton' }, 'upstream.address: "triton", expected host:port'],
    [{ address: 'triton:0' }, 'upstream.address: "triton:0"'],
    [{ address: 'triton:65536' }, 'upstream.address'],
    [{ address: 'http://triton:8001' }, 'upstream.address'],
    [{ model: '' }, 'upstream.model: ""'],
    [{ model: '../x' }, 'upstream.model'],
    [{ version: 'a b' }, 'upstream.version'],
  ])('%j is refused', (more, message) => {
    expect(() => check(more)).toThrow(message);
  });

  it('has no file beside it', () => {
    expect(() => check({}, 'a'.repeat(64))).toThrow('both are given');
  });

  it('is the same version where it is served from the same place', () => {
    expect(servedFrom({ onnxSha256: '', upstream })).toBe('triton:8001/resnet/');
    expect(servedFrom({ onnxSha256: 'a', upstream: undefined })).toBe('a');
  });
});
