import { describe, expect, it } from '@jest/globals';
import { Approval } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { AuditEvent, TraceItem } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { auditEvents, definitions, digest, prediction, rollout, run, version } from '../../test/trace-fixture.js';
import { leafOf } from './audit-leaf.js';
import { composeTrace, resourcesOf } from './compose-trace.js';
import type { AuditPart, TraceSources } from './trace-sources.js';

const [service, view, spine] = definitions;
const features = { service: service!, views: [view!], spine, digest };

function auditOf(events: readonly AuditEvent[], change: Partial<AuditPart> = {}): AuditPart {
  const entries = events.map((event, index) => ({
    index,
    leaf: leafOf(event),
    leafHash: Buffer.alloc(32),
    problem: undefined,
  }));
  const [count, signedSize] = [events.length, events.length];
  return { entries: entries.toReversed(), more: false, count, signedSize, headProblem: undefined, ...change };
}

const whole: TraceSources = {
  prediction,
  features,
  version,
  run,
  rollouts: [rollout],
  approvals: [],
  brokenApprovals: new Map(),
  audit: auditOf(auditEvents),
};
const items = (change: Partial<TraceSources> = {}): TraceItem[] => composeTrace({ ...whole, ...change }).items;
const one = (kind: string, change: Partial<TraceSources> = {}, nth = 0): TraceItem =>
  items(change).filter((item) => item.kind === kind)[nth]!;
const gaps = (found: readonly TraceItem[]) => found.flatMap(({ kind, facts }) => (facts['not recorded'] ? kind : []));
const doubts = (found: readonly TraceItem[]) => found.flatMap(({ facts }) => facts['not proved'] ?? []);

describe('a trace', () => {
  it('has every kind in order, and where nothing is missing says so of nothing but a watermark that was not there yet', () => {
    const kinds = ['prediction', 'events', 'features', 'snapshot', 'run', 'code', 'version', 'approval', 'rollout'];
    expect([...new Set(items().map(({ kind }) => kind))]).toEqual([...kinds, 'audit']);
    expect(gaps(items())).toEqual(['events']);
    expect(doubts(items())).toEqual([]);
  });

  it('says what was answered, and how far the online store was in every partition of each stream', () => {
    expect(one('prediction')).toMatchObject({
      id: 'wal-7',
      atMs: 1_000,
      facts: { endpoint: 'e', version: 'm@2', arm: 'live', caller: 'ann', score: '0.25', 'as of': expect.any(String) },
    });
    expect(items().filter(({ kind }) => kind === 'events')).toEqual([
      {
        kind: 'events',
        id: 's',
        atMs: 800,
        facts: {
          topic: 'events.s.raw.v1',
          watermark: '1970-01-01T00:00:00.800Z',
          'partition 0': 'up to offset 4',
          'partition 1': 'nothing yet',
        },
      },
      expect.objectContaining({ id: 't', facts: expect.objectContaining({ 'not recorded': expect.any(String) }) }),
    ]);
  });

  it('says of what the features were made, and that it is not kept any more where they mean something else now', () => {
    const then = items().filter(({ kind }) => kind === 'features');
    expect(then.map(({ id, facts }) => [id, facts['definition'], facts['generation']])).toEqual([
      ['f', 'FeatureService', '3'],
      ['v', 'FeatureView', '2'],
      ['s', 'Stream', '1'],
    ]);
    expect(then[0]!.facts).toMatchObject({ 'feature service digest': digest, meaning: 'the same now' });
    const other = one('features', { features: { ...features, digest: 'other' } });
    expect(other.facts['not recorded']).toMatch(new RegExp(`what ${digest} meant: f is other now`));
  });

  it('names data, run, code and version, the range of the data and the reason of the run included', () => {
    expect(one('snapshot').facts).toMatchObject({ sha256: 'data', 'events from': '2001-04-09' });
    expect(one('run')).toMatchObject({
      id: 'run-1',
      facts: { reason: 'manual', 'param algorithm': 'lightgbm', 'metric validate.auc': '0.9' },
    });
    expect(one('run').facts).not.toHaveProperty('param reason');
    expect(one('code').id).toBe('c0ffee');
    expect(one('version').facts).toMatchObject({ 'onnx sha256': 'onnx', proved: 'by audit entry 1' });
  });

  it('has every move with the numbers of its verdict, and says which came after the answer', () => {
    const [first, second] = items().filter(({ kind }) => kind === 'rollout');
    expect(first!.facts).toEqual({
      move: 'begin -> shadow',
      step: '0',
      by: 'mesh',
      cause: 'run-1',
      proved: 'by audit entry 3',
    });
    expect(second!.facts).toMatchObject({
      when: 'after the answer',
      verdict: 'pass, 12 of 10 predictions',
      'guardrail logloss': 'pass: harm 0.001 in [-0.01, 0.004], margin 0.01; 12 rows beside 0',
      'guardrail errors': 'no-data: no harm measured; 0 rows beside 0',
    });
  });

  it('tells who approved a rollout, that nobody was asked, or that it is not known', () => {
    expect(one('approval').facts).toEqual({ rollout: 'rollouts/r-1', needed: 'no policy asked for one' });
    const asked = { rollouts: [{ ...rollout, approvalDigest: 'abc' }] };
    const broken = new Map([['abc', 'it was changed']]);
    expect(one('approval', { ...asked, brokenApprovals: broken }).facts['not proved']).toBe('it was changed');
    expect(one('approval', asked).facts['not recorded']).toMatch(/does not have it/);
    const votes = [{ voter: 'bo', roles: ['risk'], approve: true, comment: 'fine', atMs: 550 }];
    const approval = Approval.fromPartial({
      digest: 'abc',
      policy: 'p',
      state: 'approved',
      quorum: 1,
      roles: ['risk'],
      votes,
    });
    const vote: AuditEvent = {
      ...auditEvents[0]!,
      resource: 'approvals/abc',
      actor: 'bo',
      details: { vote: 'approve', comment: 'fine' },
    };
    const audit = auditOf([...auditEvents, vote]);
    expect(one('approval', { ...asked, approvals: [approval], audit }).facts).toMatchObject({
      policy: 'p',
      state: 'approved',
      needs: '1 of risk',
      'vote 1': 'bo (risk) approved 1970-01-01T00:00:00.550Z: fine',
      proved: 'by audit entry 5',
    });
    expect(one('approval', { ...asked, approvals: [approval] }).facts['not proved']).toMatch(/does not have this vote/);
  });

  it('leaves out nothing that is missing', () => {
    const nothing = { features: undefined, version: undefined, run: undefined, rollouts: [], approvals: [] };
    const bare = { ...prediction, streams: [], watermarksMs: [], offsets: [], featuresGiven: true };
    const kinds = ['events', 'features', 'snapshot', 'run', 'code', 'version', 'approval', 'rollout'];
    expect(gaps(items({ ...nothing, prediction: bare }))).toEqual(kinds);
    const unknownRun = items({ run: undefined, version: { ...version, codeCommit: '', datasetSha256: '' } });
    expect(gaps(unknownRun)).toEqual(['events', 'snapshot', 'run', 'code']);
  });
});

describe('what the audit log does not bear out', () => {
  it('is named: a version or a move that is not what was recorded, and one of which nothing was', () => {
    expect(doubts(items({ version: { ...version, onnxSha256: 'swapped' } }))).toEqual([
      'entry 1 says otherwise: onnxSha256 was onnx, now swapped',
    ]);
    const moves = rollout.moves.map((move) => ({ ...move, movedBy: 'eve' }));
    expect(doubts(items({ rollouts: [{ ...rollout, moves }] }))).toEqual(
      Array(2).fill('the audit log does not have this move'),
    );
    const twice = [rollout.moves[0]!, rollout.moves[0]!];
    expect(doubts(items({ rollouts: [{ ...rollout, moves: twice }] }))).toHaveLength(1);
    const silent = items({ audit: auditOf([auditEvents[0]!]) });
    expect(doubts(silent)).toContain('the audit log does not have its registration');
    expect(doubts(items({ audit: auditOf([], { more: true }) }))[0]).toMatch(/^the newest 0 entries of this chain do/);
  });

  it('is every link to an entry that is not under the signed head, and a log of which entries were removed', () => {
    const audit = auditOf(auditEvents);
    const edited = audit.entries.map((entry) => (entry.index === 1 ? { ...entry, problem: 'edited' } : entry));
    expect(doubts(items({ audit: { ...audit, entries: edited } }))).toEqual(['entry 1: edited', 'edited']);
    expect(doubts(items({ audit: { ...audit, count: 4 } }))).toEqual(['1 of 5 entries were removed']);
    expect(doubts(items({ audit: { ...audit, count: 6 } }))).toEqual(['1 entries are under no signed head']);
    expect(doubts(items({ audit: { ...audit, headProblem: 'forged' } }))).toEqual(['forged']);
  });
});

it('asks the audit log about all of the chain', () => {
  expect(resourcesOf({ ...whole, rollouts: [{ ...rollout, approvalDigest: 'abc' }] })).toEqual([
    'endpoints/e',
    'models/m@2',
    'runs/run-1',
    'rollouts/r-1',
    'approvals/abc',
    'featureservices/f',
    'featureviews/v',
  ]);
});
