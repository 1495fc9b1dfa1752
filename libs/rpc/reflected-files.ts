import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/**
 * Files of proto/ as reflection tells them. The loader names the entries of a map other than protobuf does (`Parameters` for `ParametersEntry`), and clients in Go refuse
 * the whole file then: they are named right here.
 */
export function reflectedFiles(protoFile: string | string[], protoFolder: string): PackageDefinition {
  const loaded = loadSync(protoFile, { includeDirs: [protoFolder], keepCase: true });
  const entries = Object.entries(loaded).map(([name, definition]) => {
    const { fileDescriptorProtos } = definition as { fileDescriptorProtos?: unknown };
    if (!Array.isArray(fileDescriptorProtos)) return [name, definition]; // a service
    return [name, { ...definition, fileDescriptorProtos: (fileDescriptorProtos as Buffer[]).map(withNamedEntries) }];
  });
  return Object.fromEntries(entries) as PackageDefinition;
}

function withNamedEntries(bytes: Buffer): Buffer {
  const file = fromBinary(FileDescriptorProtoSchema, bytes);
  file.messageType.forEach(nameEntries);
  return Buffer.from(toBinary(FileDescriptorProtoSchema, file));
}

function nameEntries(message: DescriptorProto): void {
  for (const nested of message.nestedType) {
    nameEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    const field = message.field.find(({ typeName }) => typeName.split('.').at(-1) === nested.name);
    if (field === undefined) continue;
    const parts = field.name.split('_').map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`);
    nested.name = field.typeName = `${parts.join('')}Entry`;
  }
}
