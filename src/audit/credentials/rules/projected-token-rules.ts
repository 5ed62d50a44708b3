// Tokens that pods get from the kubelet: whether they need them, for how long, and who else would take them.

import type { Cluster } from '../../cluster.ts';
import type { Field } from '../../fields.ts';
import { refToCluster, refToWorkload, type Rule, type Verdict } from '../../finding.ts';
import { patchToSet, remedy } from '../../pods/patch.ts';
import { failed, passed, unknown, unknownWithout } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { readRbac } from '../rbac.ts';
import { accountOf, automountOf, type ServiceAccount } from '../service-accounts.ts';
import { ACCOUNTS, credentialRuleInfo } from './credential-rule-info.ts';

const AUTOMOUNT: Rule = {
  info: credentialRuleInfo({
    id: 'credential-automount',
    title: 'A pod gets a service account token that it does not need',
    severity: 'medium',
    subject: 'workload',
    tenets: ['T3', 'T6'],
    aliases: ['CIS-5.1.6', 'C-0190', 'C-0034'],
    atlas: ACCOUNTS,
    help: `Unless somebody says otherwise, every pod gets a token of its service account: first the pod's \`automountServiceAccountToken\` counts, then that of the service account, and without either the token is mounted. Whoever gets into the pod is somebody to the API server with it, and to whatever else trusts tokens of the cluster.

A pod is taken to need it when a role is bound to its own service account. It never needs that of the account \`default\`, which it shares with every other pod that named none.

**Fix:** \`automountServiceAccountToken: false\` in the pod; a service account of its own where it does call the API server.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    for (const workload of cluster.workloads) {
      const account = accountOf(cluster, workload);
      if (account !== null) yield judgeAutomount(cluster, workload, account);
      else if (workload.isPartial !== null) {
        const { podPath: at, isPartial: detail } = workload;
        yield unknown(refToWorkload(workload, null), { at, reason: 'partial-template', detail });
      }
    }
  },
};

const PROJECTED_TOKEN: Rule = {
  info: credentialRuleInfo({
    id: 'credential-projected-token',
    title: 'A projected token lives long, or is for nobody in particular',
    severity: 'medium',
    subject: 'workload',
    tenets: ['T3', 'T6'],
    atlas: ACCOUNTS,
    check: 'token-projection',
    help: `A token in a projected volume has an audience and a lifetime. Without an audience it is one for the API server, which whoever it is shown to can use there. The kubelet renews it in time, so that a long lifetime helps nobody but a thief.

**Fix:** set \`audience\` to whom it is shown, and leave \`expirationSeconds\` at an hour or less (at least 600).`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    for (const workload of cluster.workloads) yield* judgeProjections(workload);
  },
};

const EXTENDED_TOKEN: Rule = {
  info: credentialRuleInfo({
    id: 'credential-token-extension',
    title: 'Mounted tokens live a year instead of an hour',
    severity: 'medium',
    subject: 'cluster',
    tenets: ['T3', 'T6'],
    aliases: ['C-0290'],
    atlas: ACCOUNTS,
    check: 'token-projection',
    help: `A token that is mounted by default asks for 3607 seconds. By that number the API server recognises it, and makes it good for a year, for clients that do not read it again: unless it runs with \`--service-account-extend-token-expiration=false\`. Only the API server's own pod tells, which providers of managed clusters do not show.

**Fix:** set the flag after \`serviceaccount_stale_tokens_total\` has stayed at zero; meanwhile, mount tokens explicitly with an \`expirationSeconds\` of their own.`,
  }),
  *evaluate(cluster: Cluster): Iterable<Verdict> {
    if (cluster.workloads.length === 0) return;
    const resource = refToCluster();
    const mounting = cluster.workloads.filter((workload) => {
      const account = accountOf(cluster, workload);
      return account !== null && automountOf(cluster, workload, account).kind !== 'off';
    });
    const [server] = apiServers(cluster);
    if (mounting.length === 0) {
      yield passed(resource, [], 'no workload has a token mounted by default');
    } else if (server === undefined) {
      const detail = 'the API server is not among the workloads, so that its flags are not known';
      yield unknown(resource, { at: [], reason: 'control-plane-unseen', detail });
    } else {
      yield judgeServer(server, mounting.length);
    }
  },
};

export const PROJECTED_TOKEN_RULES: readonly Rule[] = [AUTOMOUNT, PROJECTED_TOKEN, EXTENDED_TOKEN];

function judgeAutomount(cluster: Cluster, workload: Workload, account: ServiceAccount): Verdict {
  const resource = refToWorkload(workload, null);
  const automount = automountOf(cluster, workload, account);
  if (automount.kind === 'unknown') return unknown(resource, automount);
  const { says, at } = automount;
  if (automount.kind === 'off') return passed(resource, at, `no token is mounted: so says the ${says}`);
  const remediation = remedy(
    workload,
    'Set automountServiceAccountToken to false in the pod.',
    patchToSet(workload.podSpec, ['automountServiceAccountToken'], false),
  );
  const evidence = { serviceAccount: account.name, says };
  const whose = says === 'default' ? 'nobody says otherwise' : `so says the ${says}`;
  if (account.name === 'default') {
    const detail = `the token of the account \`default\` is mounted: ${whose}`;
    return failed(resource, { at, detail, evidence, remediation });
  }
  const { grants, unseen } = cluster.once(readRbac).of(account);
  const own = grants.find(({ group }) => group === null);
  if (own !== undefined)
    return passed(resource, at, `${account.name} has ${own.role}, for which the pod has its token`);
  const [missing] = unseen;
  if (missing !== undefined) return unknownWithout(resource, at, missing);
  const detail = `the token of ${account.name} is mounted, to which no role is bound: ${whose}`;
  return failed(resource, { at, detail, evidence, remediation, severity: 'low' });
}

const DEFAULT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** What admission adds for a token that is mounted by default. */
const ADMITTED_VOLUME = /^kube-api-access-[a-z0-9]{5}$/;
const LONGEST_LIFETIME_S = 86_400;

function* judgeProjections(workload: Workload): Iterable<Verdict> {
  const resource = refToWorkload(workload, null);
  for (const volume of workload.podSpec.get('volumes').asList()) {
    const name = volume.get('name').asText() ?? '';
    if (ADMITTED_VOLUME.test(name)) continue;
    const sources = volume.get('projected', 'sources').asList();
    for (const source of sources) {
      const token = source.get('serviceAccountToken');
      if (!token.isPresent) continue;
      const audience = token.get('audience').asText();
      const lifetime = token.get('expirationSeconds').asInteger() ?? 3600;
      const isForApi = isApiAccess(workload, name, sources);
      const wrong: string[] = [];
      if (lifetime > LONGEST_LIFETIME_S) wrong.push(`lives ${formatDuration(lifetime)}`);
      if ((audience === null || audience === '') && !isForApi)
        wrong.push('is for the API server, for want of an audience');
      if (wrong.length === 0) {
        yield passed(
          resource,
          token.path,
          `the token in volume \`${name}\` lives ${formatDuration(lifetime)}, for ${audience ?? 'the API server'}`,
        );
        continue;
      }
      yield failed(resource, {
        at: token.path,
        detail: `the token in volume \`${name}\` ${wrong.join(', and ')}`,
        evidence: { volume: name, audience, expirationSeconds: lifetime },
        remediation: remedy(
          workload,
          'Name the audience, and let it live an hour or less; the kubelet renews it.',
          lifetime > LONGEST_LIFETIME_S ? patchToSet(token, ['expirationSeconds'], 3600) : null,
        ),
        ...(lifetime > LONGEST_LIFETIME_S ? {} : { severity: 'low' as const }),
      });
    }
  }
}

/** Made by hand to be what admission would have made. */
function isApiAccess({ containers }: Workload, volume: string, sources: readonly Field[]): boolean {
  if (sources.some((source) => source.get('configMap', 'name').asText() === 'kube-root-ca.crt')) return true;
  return containers.some(({ field }) =>
    field
      .get('volumeMounts')
      .asList()
      .some((mount) => mount.get('name').asText() === volume && mount.get('mountPath').asText() === DEFAULT_PATH),
  );
}

function formatDuration(seconds: number): string {
  if (seconds >= 2 * LONGEST_LIFETIME_S) return `${Math.round(seconds / LONGEST_LIFETIME_S)} days`;
  return seconds % 3600 === 0 ? `${seconds / 3600} h` : `${seconds} s`;
}

function apiServers(cluster: Cluster): readonly Workload[] {
  return cluster.workloadsIn('kube-system').filter(({ containers, labels }) => {
    return labels.get('component') === 'kube-apiserver' || containers.some(({ name }) => name === 'kube-apiserver');
  });
}

function judgeServer(server: Workload, mounting: number): Verdict {
  const container = server.containers.find(({ name }) => name === 'kube-apiserver') ?? null;
  const words = [
    ...(container?.field.get('command').asTexts() ?? []),
    ...(container?.field.get('args').asTexts() ?? []),
  ];
  const flag = words.findLast((word) => word.startsWith('--service-account-extend-token-expiration'));
  const resource = refToWorkload(server, container);
  const at = container?.path ?? server.podPath;
  if (flag !== undefined && /=(?:false|0|f)$/i.test(flag))
    return passed(resource, at, 'the API server extends no token');
  return failed(resource, {
    at,
    detail: `the API server makes mounted tokens good for a year, those of ${mounting} workloads here`,
    evidence: { flag: flag ?? null, workloads: mounting },
    remediation: {
      text: 'Run the API server with --service-account-extend-token-expiration=false.',
      patch: null,
      manifest: null,
    },
  });
}
