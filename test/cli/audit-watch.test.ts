import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_EXCEPTIONS } from '../../src/audit/exceptions.ts';
import { ALL_RULES } from '../../src/audit/rules.ts';
import { type AuditEvent, describeEvent, eventToJson } from '../../src/audit/watch/audit-event.ts';
import { AUDIT_DEFAULTS } from '../../src/cli/audit-input.ts';
import { outputsBeside } from '../../src/cli/audit-watch-form.ts';
import { watchAudit } from '../../src/cli/audit-watch.ts';
import { systemSchedule } from '../../src/core/clock.ts';
import { WATCH_LIMITS } from '../../src/kube/watch-cluster.ts';
import { TemporaryDirectory } from '../files/temporary-directory.ts';
import { liveTermsOf, namespace } from '../kube/live-setting.ts';
import { StandInApiServer } from '../kube/stand-in-api-server.ts';
import type { StandInObject } from '../kube/stand-in-store.ts';
import { directoryOf, runAudit } from './audit-run.ts';

const DENY_EGRESS = policy({ podSelector: {}, egress: [{ to: [{ podSelector: {} }] }] });

function policy(spec: unknown): StandInObject {
  const metadata = { name: 'deny-egress', namespace: 'ml' };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}

function trainer(namespaceName = 'ml'): StandInObject {
  const template = { metadata: { labels: { app: 'trainer' } }, spec: { containers: [{ name: 'main', image: 'x' }] } };
  const metadata = { name: 'trainer', namespace: namespaceName };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { template } };
}

const CALICO: StandInObject = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'calico-node', namespace: 'kube-system' },
  spec: {
    template: {
      metadata: { labels: { 'k8s-app': 'calico-node' } },
      spec: { hostNetwork: true, containers: [{ name: 'calico-node', image: 'docker.io/calico/node:v3.28.0' }] },
    },
  },
};

interface Watching {
  readonly events: readonly AuditEvent[];
  /** The sentences so far, once one of them is this. */
  readonly told: (sentence: RegExp) => Promise<readonly string[]>;
  readonly stop: () => Promise<number>;
}

let directory: TemporaryDirectory;
let server: StandInApiServer;
let watching: Watching | null;
beforeEach(async () => {
  directory = new TemporaryDirectory();
  server = await StandInApiServer.start();
  watching = null;
  for (const object of [namespace('ml'), trainer(), CALICO, DENY_EGRESS]) server.store.apply(object);
});
afterEach(async () => {
  await watching?.stop();
  await server.close();
  directory.remove();
});

async function watch(haste: 'real-time' | 'haste'): Promise<Watching> {
  const live = liveTermsOf(server, directory);
  const stop = new AbortController();
  const events: AuditEvent[] = [];
  const waiting = new Set<() => void>();
  const ended = watchAudit({
    flags: {},
    terms: {
      rules: ALL_RULES,
      context: { policy: null, options: AUDIT_DEFAULTS, nowMs: 0 },
      exceptions: NO_EXCEPTIONS,
      baseline: null,
    },
    exitOf: () => 1,
    cluster: {
      ...live,
      ports: haste === 'haste' ? live.ports : { ...live.ports, schedule: systemSchedule },
      watchLimits: { ...WATCH_LIMITS, minDelayMs: 600, maxDelayMs: 1200, staleMs: 0 },
    },
    signal: stop.signal,
    tell: (event) => {
      events.push(event);
      for (const wake of waiting) wake();
    },
    report: async () => {},
  });
  const early = ended.then((code) => {
    throw new Error(`it ended with ${code}, having told: ${events.map(describeEvent).join('; ')}`);
  });
  early.catch(() => {});
  const told = async (sentence: RegExp): Promise<readonly string[]> => {
    for (;;) {
      const sentences = events.map(describeEvent);
      if (sentences.some((each) => sentence.test(each))) return sentences;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      await Promise.race([promise, early]);
      waiting.delete(resolve);
    }
  };
  const started: Watching = {
    events,
    told,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
  watching = started;
  await told(/^watching/);
  return started;
}

describe('watching a cluster', () => {
  it('tells within two seconds that a policy lost its egress rule, and what that opened', async () => {
    const { told, events } = await watch('real-time');
    const changedMs = performance.now();
    server.store.apply(policy({ podSelector: {} }));
    await told(/^policy ml\/deny-egress lost its egress rule: ml\/trainer\[Job\] can reach the internet/);
    expect(performance.now() - changedMs).toBeLessThan(2000);
    const opened = events.find((event) => event.kind === 'reach');
    expect(opened === undefined ? null : eventToJson(opened, 0)).toMatchObject({
      time: '1970-01-01T00:00:00.000Z',
      event: 'reach',
      change: 'opened',
      from: ['ml/trainer[Job]'],
      to: ['outside', 'metadata'],
      before: 'None',
      after: 'All',
      certain: true,
      causes: [{ change: 'modified', kind: 'NetworkPolicy', namespace: 'ml', name: 'deny-egress' }],
    });
  });

  it('tells the findings that came with it, and those that go again', async () => {
    const { told } = await watch('haste');
    server.store.apply(policy({ podSelector: {} }));
    await told(/lost its egress rule: new high network-metadata-egress: ml\/trainer\[Job\]/);
    server.store.apply(DENY_EGRESS);
    const sentences = await told(/got an egress rule: resolved network-metadata-egress: ml\/trainer\[Job\]/);
    expect(sentences).toContainEqual(
      'policy ml/deny-egress got an egress rule: ml/trainer[Job] can no longer reach the internet and the instance metadata service',
    );
  });

  it('tells that it may no longer see policies, and calls nothing resolved by that', async () => {
    server.store.apply(policy({ podSelector: {} }));
    const { told } = await watch('haste');
    server.fail({ path: /networkpolicies/, status: 403 });
    server.cutWatches();
    const sentences = await told(/cannot judge network-default-deny-egress/);
    expect(sentences).toContainEqual(
      expect.stringMatching(/^can no longer see networkpolicies\.networking\.k8s\.io \(forbidden\)/),
    );
    expect(sentences.filter((sentence) => sentence.includes('resolved'))).toEqual([]);
    server.succeed();
    await told(/^can see networkpolicies\.networking\.k8s\.io again/);
  });

  it('tells that what may be listed may not be watched, and still sees changes', async () => {
    const { told } = await watch('haste');
    server.fail({ path: /networkpolicies/, status: 403, of: 'watch' });
    server.cutWatches();
    await told(/^can no longer see changes of networkpolicies\.networking\.k8s\.io .* listed every 15 s/);
    server.store.apply(policy({ podSelector: {} }));
    await told(/lost its egress rule: ml\/trainer\[Job\] can reach the internet/);
  });

  it('tells of a server that is gone, and of it once it is back', async () => {
    const { told } = await watch('haste');
    server.fail({ path: /./, status: 'drop' });
    server.cutWatches();
    await told(/^can no longer see .* \(unavailable\)/);
    server.succeed();
    await told(/^can see .* again/);
  });

  it.each(['status', 'event'] as const)(
    'sees what happened while its place was forgotten, told by %s',
    async (goneAs) => {
      const { told } = await watch('haste');
      server.goneAs = goneAs;
      server.cutWatches();
      server.store.apply(policy({ podSelector: {} }));
      server.store.compact();
      await told(/lost its egress rule: ml\/trainer\[Job\] can reach the internet/);
    },
  );

  it('sees what happens after a watch has ended as it should', async () => {
    const { told } = await watch('haste');
    server.endWatches();
    server.store.apply(policy({ podSelector: {} }));
    await told(/lost its egress rule/);
  });

  /** Lists, and not watches. */
  function policyLists(): number {
    return server.requestsTo(/networkpolicies$/).filter(({ query }) => !query.has('watch')).length;
  }

  it('goes on from the last bookmark, and lists nothing again', async () => {
    const { told } = await watch('haste');
    server.store.apply(policy({ podSelector: {} }));
    await told(/lost its egress rule/);
    server.store.compact();
    server.sendBookmarks();
    server.endWatches();
    server.store.apply(DENY_EGRESS);
    await told(/got an egress rule/);
    expect(policyLists()).toBe(1);
  });

  it.each<[string, unknown]>([
    ['another kind', { type: 'MODIFIED', object: trainer() }],
    ['no object', { type: 'ADDED', object: null }],
    ['no event', { type: 'RENAMED', object: DENY_EGRESS }],
    ['no version', { type: 'BOOKMARK', object: { kind: 'NetworkPolicy' } }],
  ])('lists again when a watch tells of %s', async (_name, lie) => {
    const { told } = await watch('haste');
    server.store.apply(policy({ podSelector: {} }));
    await told(/lost its egress rule/);
    server.sayToWatches(/networkpolicies/, lie);
    server.store.apply(DENY_EGRESS);
    await told(/got an egress rule/);
    expect(policyLists()).toBe(2);
  });

  it('is silent about what changes nothing', async () => {
    const { told, events } = await watch('haste');
    const before = events.length;
    server.store.apply({ ...trainer(), metadata: { ...trainer().metadata, annotations: {} } });
    server.store.apply({ ...CALICO, status: { numberReady: 3 } });
    server.store.apply(namespace('new'));
    await told(/new\[Namespace\]/);
    const later = events.slice(before).map(describeEvent);
    expect(later.filter((sentence) => !sentence.includes('new'))).toEqual([]);
  });

  it('only ever asks, and ends when it is told to with the code of the last audit', async () => {
    const { stop } = await watch('haste');
    expect(await stop()).toBe(1);
    expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
  });
});

describe('the command', () => {
  it.each<[string, readonly string[], string]>([
    ['--watch without --live', ['x', '--watch'], '--watch is for a cluster'],
    ['--events without --watch', ['--live', '--events', 'text'], '--events says how --watch'],
    ['--live with a path', ['x', '--live'], '`x` and --live: audit one or the other'],
    ['--kubeconfig without --live', ['x', '--kubeconfig', 'y'], 'say which cluster --live reads'],
    ['a kubeconfig that is not there', ['--live', '--kubeconfig', '/nonexistent'], 'there is no kubeconfig'],
    ['a report among events', ['--live', '--watch', '--format', 'json'], 'give each --format an --output'],
  ])('refuses %s', async (_name, argv, said) => {
    const { errors, exitCode } = await runAudit(['cluster', ...argv]);
    expect(errors).toContain(said);
    expect(exitCode).toBe(2);
  });

  it('writes a table before lines, and before objects for programs nothing', () => {
    const table = { format: 'table', file: null } as const;
    expect(outputsBeside([table], 'text')).toEqual([table]);
    expect(outputsBeside([table], 'ndjson')).toEqual([]);
    expect(outputsBeside([{ format: 'json', file: 'x' }], 'ndjson')).toHaveLength(1);
  });

  it.each<[string, readonly string[], number]>([
    ['cluster', [], 1],
    ['pods', [], 0],
    ['mtls', [], 0],
    ['connections', [], 0],
    ['reach', ['--from', 'ml/trainer', '--to', 'outside'], 0],
  ])('audit %s --live reads the cluster', async (name, argv, code) => {
    await using files = await directoryOf({ config: server.kubeconfig() });
    const { out, errors, exitCode } = await runAudit([name, ...argv, '--live', '--kubeconfig', files.at('config')]);
    expect(errors).toMatch(/^sallyport: read context `stand-in` of .* with \d+ questions\n$/);
    expect(exitCode).toBe(code);
    expect(out).toContain('ml/trainer[Job]');
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a kind is refused', () => server.fail({ path: /networkpolicies/, status: 403 }), /not read: networkpolicies/],
    ['nobody is known', () => server.tokens.clear(), /^$/],
  ])('calls an audit incomplete when %s', async (_name, spoil, said) => {
    spoil();
    await using files = await directoryOf({ config: server.kubeconfig() });
    const { out, exitCode } = await runAudit(['cluster', '--live', '--kubeconfig', files.at('config')]);
    expect(exitCode).toBe(3);
    expect(out).toMatch(said);
  });

  it('tells that a server was not verified, and calls the audit incomplete', async () => {
    const cluster = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true };
    await using files = await directoryOf({ config: server.kubeconfig({ cluster }) });
    const { out, errors, exitCode } = await runAudit(['cluster', '--live', '--kubeconfig', files.at('config')]);
    expect(exitCode).toBe(3);
    expect(errors).toMatch(/the certificate of .* was not verified/);
    expect(out).toContain('(unverified)');
  });
});
