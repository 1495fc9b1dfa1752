import { fromBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { reflectedFiles } from './reflected-files.js';

const maps = (message: DescriptorProto): string[] => [
  ...message.nestedType.flatMap(maps),
  ...message.field.flatMap(({ name, typeName }) => {
    const entry = message.nestedType.find((nested) => nested.name === typeName && nested.options?.mapEntry);
    return entry === undefined ? [] : [`${message.name}.${name}: ${entry.name}`];
  }),
];

it('names the entries of maps as protobuf does, or grpcurl reads nothing of the file', () => {
  const files = reflectedFiles('inference/v2/inference.proto', `${projectRoot()}/proto`);
  const service = files['inference.GRPCInferenceService'] as unknown as object;
  expect(Object.keys(service)).toHaveLength(20);
  const { fileDescriptorProtos } = files['inference.ModelInferRequest'] as { fileDescriptorProtos: Buffer[] };
  const messages = fileDescriptorProtos.flatMap((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).messageType);
  expect(messages.flatMap(maps)).toEqual(
    expect.arrayContaining([
      'ModelInferRequest.parameters: ParametersEntry',
      'InferInputTensor.parameters: ParametersEntry',
      'ModelStatistics.response_stats: ResponseStatsEntry',
      'TraceSettingRequest.settings: SettingsEntry',
    ]),
  );
});
