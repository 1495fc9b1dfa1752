import type { Trace, TraceItem } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { topicName } from '#libs/contracts/topics.js';
import { auditItems, AuditWitness } from './trace-audit.js';
import { type Facts, instant, notRecorded, traceItem } from './trace-facts.js';
import { approvalItems, rolloutItems } from './trace-rollouts.js';
import type { FeatureDefinitions, LoggedPrediction, TraceSources } from './trace-sources.js';

/**
 * What stands behind a prediction, from the answer back to the events, each with its facts. What is kept nowhere is an item with the fact `not recorded`, and what the audit log
 * contradicts or does not have has the fact `not proved`: nothing is left out.
 */
export function composeTrace(sources: TraceSources): Trace {
  const { prediction, audit } = sources;
  const witness = new AuditWitness(audit);
  const items = [
    predictionItem(prediction),
    ...eventItems(prediction),
    ...featureItems(prediction, sources.features),
    snapshotItem(sources),
    runItem(sources),
    codeItem(sources),
    versionItem(sources, witness),
    ...approvalItems(sources, witness),
    ...rolloutItems(sources, witness),
    ...auditItems(audit),
  ];
  return { predictionId: prediction.predictionId, items };
}

/** What audit entries of the chain are about. */
export function resourcesOf({ prediction, features, version, rollouts }: Omit<TraceSources, 'audit'>): string[] {
  const { endpoint, model } = prediction;
  return [
    `endpoints/${endpoint}`,
    `models/${model}@${prediction.version}`,
    ...(version === undefined || version.runId === '' ? [] : [`runs/${version.runId}`]),
    ...rollouts.map(({ rolloutId }) => `rollouts/${rolloutId}`),
    ...rollouts.flatMap(({ approvalDigest }) => (approvalDigest === '' ? [] : [`approvals/${approvalDigest}`])),
    ...(features === undefined ? [] : [features.service, ...features.views]).map(
      ({ kind, name }) => `${kind.toLowerCase()}s/${name}`,
    ),
  ];
}

function predictionItem(prediction: LoggedPrediction): TraceItem {
  const { endpoint, model, version, arm, caller, score, asOfMs, answeredMs, fallback, featuresGiven } = prediction;
  return traceItem('prediction', prediction.predictionId, answeredMs, {
    endpoint,
    version: `${model}@${version}`,
    arm,
    caller,
    'as of': instant(asOfMs),
    score: String(score),
    'feature service': prediction.featureService,
    'feature service digest': prediction.featureServiceDigest,
    'features given': featuresGiven ? 'by the caller; none were looked up' : '',
    fallback: fallback ? 'declared fallback values answered' : '',
    'rollout under way': prediction.rolloutId && `${prediction.rolloutId}, step ${prediction.rolloutStep}`,
    'write-ahead log': `${prediction.logId}, block ${prediction.logSequence}`,
  });
}

/** How far the online store was in each stream when it answered. */
function eventItems({ streams, watermarksMs, offsets, featuresGiven, fallback }: LoggedPrediction): TraceItem[] {
  if (streams.length === 0) {
    const because = featuresGiven ? ': the caller sent the features' : fallback ? ': the fallback answered' : '';
    return [traceItem('events', '', 0, { [notRecorded]: `positions of the online store${because}` })];
  }
  return streams.map((stream, i) => {
    const watermarkMs = watermarksMs[i] ?? 0;
    const applied = (offsets[i] ?? []).map((offset, partition) => [
      `partition ${partition}`,
      offset < 0 ? 'nothing yet' : `up to offset ${offset}`,
    ]);
    return traceItem('events', stream, Math.max(0, watermarkMs), {
      topic: topicName('rawEvents', stream),
      ...(watermarkMs > 0 ? { watermark: instant(watermarkMs) } : { [notRecorded]: 'a watermark: there was none yet' }),
      ...Object.fromEntries(applied),
    });
  });
}

/** The definitions as they are now, where they still mean what they meant then. */
function featureItems(prediction: LoggedPrediction, now: FeatureDefinitions | undefined): TraceItem[] {
  const { featureService: name, featureServiceDigest: digest } = prediction;
  if (now === undefined)
    return [
      traceItem('features', name, 0, {
        digest,
        [notRecorded]: `feature service ${name} is not in the registry any more`,
      }),
    ];
  const same = now.digest === digest;
  const changed = `what ${digest} meant: ${name} is ${now.digest ?? 'without its spine'} now, since generation ${now.service.generation} or one of its views`;
  return [now.service, ...now.views, ...(now.spine === undefined ? [] : [now.spine])].map((one, i) =>
    traceItem('features', one.name, one.changedMs, {
      definition: one.kind,
      ...(i === 0 ? { 'feature service digest': digest, meaning: same ? 'the same now' : '' } : {}),
      ...(same ? {} : { [notRecorded]: i === 0 ? changed : 'the generation that answered; this is the one of now' }),
      generation: String(one.generation),
      digest: one.digest,
    }),
  );
}

function snapshotItem({ version, run }: TraceSources): TraceItem {
  const sha256 = version?.datasetSha256 || run?.datasetSha256 || '';
  if (sha256 === '')
    return traceItem('snapshot', '', 0, { [notRecorded]: 'the training set: neither version nor run names one' });
  const { dataFrom = '', dataTo = '' } = run?.params ?? {};
  return traceItem('snapshot', sha256, 0, {
    sha256,
    'feature service digest': version?.featureServiceDigest ?? '',
    ...(dataFrom !== '' && dataTo !== ''
      ? { 'events from': dataFrom, 'events until': dataTo }
      : { [notRecorded]: 'the range of event time' }),
  });
}

function runItem({ version, run }: TraceSources): TraceItem {
  const runId = version?.runId ?? '';
  if (runId === '') return traceItem('run', '', 0, { [notRecorded]: 'a run: the version names none' });
  if (run === undefined) return traceItem('run', runId, 0, { [notRecorded]: 'the registry has no record of this run' });
  const { reason = '', requestedBy = '', dataFrom: _from, dataTo: _to, ...params } = run.params;
  return traceItem('run', runId, run.startedMs, {
    pipeline: run.pipeline,
    model: run.model,
    state: run.state,
    ...(reason === '' ? { [notRecorded]: 'the reason' } : { reason }),
    'requested by': requestedBy,
    finished: run.finishedMs > 0 ? instant(run.finishedMs) : '',
    ...labelled('param', params),
    ...labelled('metric', run.metrics),
  });
}

function codeItem({ version, run }: TraceSources): TraceItem {
  const commit = version?.codeCommit || run?.codeCommit || '';
  if (commit === '') return traceItem('code', '', 0, { [notRecorded]: 'the commit: it was not known when it trained' });
  return traceItem('code', commit, 0, { commit });
}

function versionItem({ prediction, version }: TraceSources, witness: AuditWitness): TraceItem {
  const id = `${prediction.model}@${prediction.version}`;
  if (version === undefined)
    return traceItem('version', id, 0, { [notRecorded]: `version ${prediction.version} is not in the registry` });
  return traceItem('version', id, version.createdMs, {
    'onnx sha256': version.onnxSha256,
    'reference sha256': version.referenceSha256,
    task: version.task,
    features: String(version.features.length),
    ...labelled('metric', version.metrics),
    ...(version.featureServiceDigest === prediction.featureServiceDigest
      ? {}
      : { 'trained on': `feature service digest ${version.featureServiceDigest}, and answered by another` }),
    ...witness.ofVersion(version),
  });
}

function labelled(label: string, values: Readonly<Record<string, string | number>>): Facts {
  const named = Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(named.map(([name, value]) => [`${label} ${name}`, String(value)]));
}
