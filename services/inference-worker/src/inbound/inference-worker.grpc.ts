import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import type { OnModuleInit } from '@nestjs/common';
import { encodeMessage } from '#libs/contracts/encode-message.js';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
  type PrepareRequest,
  PrepareResponse,
  type TensorSpec as WireTensorSpec,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { BatchScheduler } from '../domain/batch-scheduler.js';
import type { Explanations } from '../domain/explanations.js';
import type { ModelPool } from '../domain/model-pool.js';
import type { TensorSpec } from '../domain/named-tensor.js';
import type { WorkerObserver } from '../domain/ports.js';
import { faultErrors } from './fault-errors.js';
import { InferStream } from './infer-stream.js';

const definition = {
  ...InferenceWorkerService,
  infer: {
    ...InferenceWorkerService.infer,
    responseSerialize: (result: InferResult) => encodeMessage(InferResult, result),
  },
};

export class InferenceWorkerGrpc implements OnModuleInit {
  constructor(
    private readonly server: GrpcServer,
    private readonly pool: ModelPool,
    private readonly scheduler: BatchScheduler,
    private readonly explanations: Explanations,
    private readonly observer: WorkerObserver,
  ) {}

  onModuleInit(): void {
    this.server.addService(definition, {
      infer: handle.duplex<InferBatch, InferResult>((stream, { messageSpan }) => {
        // Who asks knows from the headers that somebody is here, before there is an answer to bring them.
        stream.sendMetadata(new Metadata());
        const { scheduler, explanations, observer } = this;
        const nowMs = (): number => performance.now();
        const infers = new InferStream(stream, scheduler, explanations, observer, nowMs, messageSpan);
        return () => infers.drain();
      }),
      prepare: handle.unary((request: PrepareRequest) => this.prepare(request)),
    });
    this.server.addReflection('millrace/worker/v1/worker.proto', join(projectRoot(), 'proto'));
  }

  private async prepare(request: PrepareRequest): Promise<PrepareResponse> {
    const outcome = await this.pool.load(request.onnxSha256);
    if (!outcome.ok) throw new MillraceError(faultErrors[outcome.code], `${outcome.code}: ${outcome.message}`);
    const { model } = outcome;
    if (request.features > 0 && model.notTabular !== undefined)
      throw new MillraceError('failed-precondition', `bad-shape: ${model.notTabular}`);
    if (request.features > 0 && request.features !== model.features)
      throw new MillraceError(
        'failed-precondition',
        `bad-shape: features: ${request.features}; model ${request.onnxSha256} reads ${model.features}`,
      );
    return PrepareResponse.create({
      inputName: model.inputName,
      outputName: model.outputName,
      loadMs: Math.round(model.loadMs),
      inputs: model.inputs.map(toSpec),
      outputs: model.outputs.map(toSpec),
    });
  }
}

function toSpec({ name, datatype, shape }: TensorSpec): WireTensorSpec {
  return { name, datatype, shape: [...shape] };
}
