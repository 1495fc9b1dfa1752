/** What is served: the same bytes by every peer. */
export interface PeerModel {
  readonly name: ModelName;
  readonly file: string;
  readonly sha256: string;
}

export const modelNames = ['mlp', 'gbt100', 'gbt500'] as const;
export type ModelName = (typeof modelNames)[number];
export const featureCount = 20;

/** A server that answers, and how it is asked. */
export interface Served {
  /** Roots of its process trees: what they use is its cost. */
  readonly pids: readonly number[];
  readonly protocol: 'grpc' | 'http';
  /** host:port */
  readonly address: string;
  /** gRPC method or path of the URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The message or body that asks about these rows, float32 [rows, 20]. */
  request(rows: Float32Array): Uint8Array;
  /** The one score of each row in an answer. */
  scores(answer: Uint8Array): Float32Array;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** What is run, and how; a line under the table. */
  readonly note: string;
  /** @throws Error where it cannot be installed or does not start; the comparison goes on without it */
  serve(model: PeerModel): Promise<Served>;
  /** Its packages' versions, where it has been installed. */
  version(): Promise<string>;
  /** Whether ModelStreamInfer is offered. */
  readonly streams?: boolean;
  close?(): Promise<void>;
}
