import { TestEnvironment } from 'jest-environment-node';

/**
 * Jest gives tests their own Float32Array; the native code of onnxruntime-node makes those of the process and its JavaScript then does not know them.
 * This environment hands the tests those of the process.
 */
export default class OnnxEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, { Float32Array, Float64Array, BigInt64Array, Int32Array });
  }
}
