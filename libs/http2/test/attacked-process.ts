import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { until } from '#libs/testing/until.js';
import { freePort } from '#libs/testing/service-process.js';

export interface Memory {
  /** After a collection: objects and buffers. */
  readonly heldBytes: number;
  readonly rssBytes: number;
  /** The most resident since it was asked last. */
  readonly peakBytes: number;
  /** Stubborn calls that are worked on. */
  readonly atWork: number;
  /** The most of them at once, since `idle`. */
  readonly mostAtWork: number;
}

/** A server to attack, and an ordinary caller of it that uses it all the while. */
export class Attacked {
  private crash: string | undefined;

  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly caller: Client,
  ) {
    child.on('exit', (code, signal) => (this.crash = `the server ended with ${code ?? signal}`));
  }

  static async start(): Promise<Attacked> {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    const main = join(projectRoot(), 'dist/libs/http2/test/served.main.js');
    const child = fork(main, [address], { execArgv: ['--expose-gc'], stdio: 'inherit' });
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the server did not start'))),
    ]);
    return new Attacked(port, child, new Client(address, credentials.createInsecure()));
  }

  /** Waits until no stubborn call is worked on. */
  async idle(): Promise<void> {
    await until(async () => (await this.memory()).atWork === 0, 'the work to be over');
    await this.memory('from now');
  }

  async memory(asked = 'now'): Promise<Memory> {
    if (this.crash !== undefined) throw new Error(this.crash);
    const answer = once(this.child, 'message');
    this.child.send(asked);
    const [memory] = (await answer) as [Memory];
    return memory;
  }

  /** One ordinary call on a connection of its own. @returns ms @throws the status it was answered by */
  async call(): Promise<number> {
    if (this.crash !== undefined) throw new Error(this.crash);
    const startedMs = performance.now();
    const same = (bytes: Buffer): Buffer => bytes;
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const done = (error: ServiceError | null, value?: Buffer): void => (error ? reject(error) : resolve(value));
      const options = { deadline: Date.now() + 10_000 };
      this.caller.makeUnaryRequest('/millrace.test.Attacked/Echo', same, same, Buffer.from('ordinary'), options, done);
    });
    if (answer?.toString() !== 'ordinary') throw new Error(`an ordinary call was answered by ${String(answer)}`);
    return performance.now() - startedMs;
  }

  /** Calls all the while. @returns the slowest call, ms @throws when one fails */
  async during(attack: () => Promise<unknown>): Promise<number> {
    const state = { isOver: false };
    let slowestMs = await this.call();
    const attacked = attack().finally(() => (state.isOver = true));
    const served = (async () => {
      while (!state.isOver) {
        slowestMs = Math.max(slowestMs, await this.call());
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await Promise.all([attacked, served]);
    return Math.max(slowestMs, await this.call());
  }

  async stop(): Promise<void> {
    this.caller.close();
    if (this.crash !== undefined) throw new Error(this.crash);
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}
