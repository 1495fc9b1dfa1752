import { TestEnvironment } from 'jest-environment-node';

/**
 * Jest gives tests their own Float32Array; the native code of onnxruntime-node makes those of the process and its JavaScript then does not know them.
 * This environment hands the tests those of the process.
 */
export default class OnnxEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    const numbers = { Float32Array, Float64Array, Int32Array, Uint16Array, BigInt64Array, BigUint64Array };
    Object.assign(this.global, { ...numbers, ArrayBuffer, Uint8Array, Int8Array, Int16Array, Uint32Array });
  }
}
