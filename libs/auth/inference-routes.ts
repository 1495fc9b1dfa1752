/** A route of the inference protocol's REST form, and the rpc that means the same. */
export interface InferenceRoute {
  readonly route: string;
  readonly rpc: string;
  readonly methods: readonly string[];
  /** Of the model, decoded; empty = it names none. */
  readonly name: string;
  readonly version: string;
}

const get = ['GET', 'HEAD'];
const model = '/v2/models/:model';
const versioned = (more: string): string[] => [`${model}${more}`, `${model}/versions/:version${more}`];

/** Which comes first wins: no model is reached by the name `stats`. */
const table: readonly [routes: readonly string[], rpc: string, methods: readonly string[]][] = [
  [['/v2'], 'ServerMetadata', get],
  [['/v2/models'], 'RepositoryIndex', get],
  [['/v2/models/stats'], 'ModelStatistics', get],
  [versioned(''), 'ModelMetadata', get],
  [versioned('/ready'), 'ModelReady', get],
  [versioned('/stats'), 'ModelStatistics', get],
  [versioned('/config'), 'ModelConfig', get],
  [versioned('/infer'), 'ModelInfer', ['POST']],
  [[...versioned('/generate'), ...versioned('/generate_stream')], 'ModelInfer', ['POST']],
  [['/v2/repository/index'], 'RepositoryIndex', ['POST']],
  [['/v2/repository/models/:model/load'], 'RepositoryModelLoad', ['POST']],
  [['/v2/repository/models/:model/unload'], 'RepositoryModelUnload', ['POST']],
  [['/v2/trace/setting', `${model}/trace/setting`], 'TraceSetting', [...get, 'POST']],
  [['/v2/logging'], 'LogSettings', [...get, 'POST']],
  ...(['system', 'cuda'] as const).flatMap((kind) => {
    const rpc = kind === 'system' ? 'SystemSharedMemory' : 'CudaSharedMemory';
    const one = (more: string) => [`/v2/${kind}sharedmemory/${more}`, `/v2/${kind}sharedmemory/region/:region/${more}`];
    return [
      [one('status'), `${rpc}Status`, get],
      [one('register'), `${rpc}Register`, ['POST']],
      [one('unregister'), `${rpc}Unregister`, ['POST']],
    ] satisfies (typeof table)[number][];
  }),
];

const compiled = table.flatMap(([routes, rpc, methods]) =>
  routes.map((route) => ({
    route,
    rpc,
    methods,
    pattern: new RegExp(`^${route.replace(/:(\w+)/g, '(?<$1>[^/]+)')}/?$`, 'i'),
  })),
);

/** Undefined = the path is none of the protocol's, health aside. @throws URIError where it is not percent-encoded UTF-8 */
export function inferenceRoute(path: string): InferenceRoute | undefined {
  if (!/^\/v2(\/|$)/i.test(path)) return undefined;
  for (const { route, rpc, methods, pattern } of compiled) {
    const found = pattern.exec(path);
    if (found === null) continue;
    const { model: name = '', version = '' } = found.groups ?? {};
    return { route, rpc, methods, name: decodeURIComponent(name), version: decodeURIComponent(version) };
  }
  return undefined;
}
