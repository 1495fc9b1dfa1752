/** Every process of the mesh, in the order of an event's way. Default ports are preferences: the launcher picks a free one where taken. */
export const services = {
  registry: { grpcPort: 7101, httpPort: 7201 },
  ingest: { grpcPort: 7102, httpPort: 7202 },
  validator: { grpcPort: 7103, httpPort: 7203 },
  'feature-store': { grpcPort: 7104, httpPort: 7204 },
  trainer: { grpcPort: 7105, httpPort: 7205 },
  'inference-worker': { grpcPort: 7106, httpPort: 7206 },
  'inference-gateway': { grpcPort: 7107, httpPort: 7207 },
  monitor: { grpcPort: 7108, httpPort: 7208 },
  governance: { grpcPort: 7109, httpPort: 7209 },
  console: { grpcPort: 7110, httpPort: 7210 },
} as const;

export type ServiceName = keyof typeof services;

export const serviceNames = Object.keys(services) as ServiceName[];

/** The environment variable in which a service finds the gRPC address (host:port) of a peer, e.g. FEATURE_STORE_ADDRESS. */
export function addressSetting(service: ServiceName): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_ADDRESS`;
}

/** The environment variable in which a service finds the HTTP address (host:port) of a peer, e.g. FEATURE_STORE_HTTP_ADDRESS. */
export function httpAddressSetting(service: ServiceName): string {
  return addressSetting(service).replace(/ADDRESS$/, 'HTTP_ADDRESS');
}
