/** The house rules on who may import whom: services -> libs -> generated contracts; no service imports another; domain/ and the pure libraries import neither Nest nor I/O. */
const io =
  '^(node:(fs|net|http|https|child_process|dgram|tls|worker_threads)|fs|net|http|child_process)|node_modules/(@nestjs|@grpc|kafkajs|ioredis|pg|@clickhouse|express)/';
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-service-imports-another',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    { name: 'libs-import-no-service', severity: 'error', from: { path: '^libs/' }, to: { path: '^(services|deploy|examples|load-tests)/' } },
    {
      name: 'services-import-no-deploy',
      severity: 'error',
      from: { path: '^services/', pathNot: '\\.spec\\.ts$|/test/' },
      to: { path: '^(deploy|examples|load-tests)/' },
    },
    {
      name: 'domain-is-pure',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/', pathNot: '\\.spec\\.ts$' },
      to: { path: io },
    },
    {
      name: 'pure-libraries',
      severity: 'error',
      from: { path: '^libs/(windows|numeric|expressions|tensors|onnx)/', pathNot: '\\.spec\\.ts$' },
      to: { path: io },
    },
    {
      name: 'domain-imports-no-edge',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^services/[^/]+/src/(inbound|outbound)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
