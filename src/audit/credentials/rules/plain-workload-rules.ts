// Credentials in plain text in pod templates: in variables, and on command lines.

import type { Cluster } from '../../cluster.ts';
import type { Field } from '../../fields.ts';
import {
  refToWorkload,
  type AuditContext,
  type Remediation,
  type Rule,
  type RuleInfo,
  type Verdict,
} from '../../finding.ts';
import type { Path } from '../../path.ts';
import { patchToRemove, patchToSet, remedy } from '../../pods/patch.ts';
import { passed, unknown } from '../../verdict.ts';
import type { Container, Workload } from '../../workload.ts';
import { createFinder, type CredentialFinder, type PlainCredential } from '../plain-places.ts';
import { credentialRuleInfo } from './credential-rule-info.ts';
import { byPlace, failedOverPlain } from './plain-verdict.ts';

const ENV_PLAINTEXT = plainRule({
  info: credentialRuleInfo({
    id: 'credential-env-plaintext',
    title: 'A variable holds a credential in plain text',
    severity: 'high',
    subject: 'workload',
    tenets: ['T3', 'T6'],
    aliases: ['C-0012'],
    help: `Whoever may read the workload, its manifest's repository or a backup of either has the credential, and so has everything that is started in the container or prints its environment. It stays good until somebody changes it by hand.

Values tell: tokens by the form that their issuer gives them, well-known defaults, passwords in addresses, and what looks generated or chosen under the name of a credential. The value itself is never shown.

**Fix:** let workloads prove who they are instead (SPIFFE, workload identity of the cloud). Where a static credential has to be, put it into a Secret that is synchronised from a secret store, mount it as a file, and **change it**: it has been readable.`,
  }),
  find: (finder, container) => finder.inVariables(container),
  held: 'no variable holds a credential',
  remedyOf: remedyOfVariable,
});

const ARGS_PLAINTEXT = plainRule({
  info: credentialRuleInfo({
    id: 'credential-args-plaintext',
    title: 'A command line holds a credential in plain text',
    severity: 'high',
    subject: 'workload',
    tenets: ['T3', 'T6'],
    aliases: ['C-0012'],
    help: `Command lines are in the manifest, and also in the process list of the container and of its node. This covers \`command\` and \`args\` with whole scripts in them, the commands of probes and hooks, and the headers that probes send.

**Fix:** hand the credential over in a file that a volume brings, or refer to a variable from a Secret by \`$(NAME)\`; change it, for it has been readable.`,
  }),
  find: (finder, container) => finder.inCommands(container),
  held: 'no command line holds a credential',
  remedyOf: () => ({
    text: 'Hand it over in a file of a volume, or take it from a Secret into a variable and write `$(NAME)` here; then change it.',
    patch: null,
    manifest: null,
  }),
});

export const PLAIN_WORKLOAD_RULES: readonly Rule[] = [ENV_PLAINTEXT, ARGS_PLAINTEXT];

interface PlainRule {
  readonly info: RuleInfo;
  readonly find: (finder: CredentialFinder, container: Container) => readonly PlainCredential[];
  readonly held: string;
  readonly remedyOf: (plain: PlainCredential, workload: Workload) => Remediation;
}

function plainRule({ info, find, held, remedyOf }: PlainRule): Rule {
  return {
    info,
    *evaluate(cluster: Cluster, { nowMs }: AuditContext): Iterable<Verdict> {
      const finder = cluster.once(createFinder);
      const holders = holdersOf(cluster, (container) => find(finder, container));
      for (const workload of cluster.workloads) {
        for (const container of workload.containers) {
          const resource = refToWorkload(workload, container);
          const credentials = byPlace(find(finder, container));
          for (const { plain, index } of credentials) {
            const others = [...(holders.get(plain.secret) ?? [])].filter((ref) => ref !== workload.ref);
            yield failedOverPlain({
              resource,
              plain,
              index,
              holder: `container \`${container.name}\``,
              evidence: others.length === 0 ? {} : { alsoIn: others.slice(0, MAX_SHOWN) },
              remediation: remedyOf(plain, workload),
              nowMs,
            });
          }
          if (credentials.length > 0) continue;
          const partial = container.isPartial ?? workload.isPartial;
          if (partial === null) yield passed(resource, container.path, held);
          else yield unknown(resource, { at: container.path, reason: 'partial-template', detail: partial });
        }
      }
    },
  };
}

const MAX_SHOWN = 20;
/** Shorter ones are alike by chance, or by everybody's habit. */
const SHORTEST_COMPARED = 8;

/** By credential, the workloads that hold it: one that several have cannot tell who uses it. */
function holdersOf(
  cluster: Cluster,
  find: (container: Container) => readonly PlainCredential[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const holders = new Map<string, Set<string>>();
  for (const { containers, ref } of cluster.workloads) {
    for (const { secret, detection } of containers.flatMap(find)) {
      if (secret.length < SHORTEST_COMPARED || detection.basis === 'known') continue;
      const refs = holders.get(secret) ?? new Set();
      holders.set(secret, refs.add(ref));
    }
  }
  return holders;
}

function remedyOfVariable({ at }: PlainCredential, workload: Workload): Remediation {
  const secret = `${workload.name}-credentials`;
  const text = `Put the value into a Secret (\`${secret}\`), take the variable from there or, better, mount it as a file; then change it, for it has been readable.`;
  const variable = variableAt(workload, at.slice(0, -1));
  const key = variable?.get('name').asText() ?? null;
  if (variable === null || key === null) return remedy(workload, text, null);
  const added = patchToSet(variable, ['valueFrom', 'secretKeyRef'], { name: secret, key });
  return remedy(workload, text, added === null ? null : [...patchToRemove(at), ...added]);
}

function variableAt({ containers }: Workload, at: Path): Field | null {
  const text = JSON.stringify(at);
  const variables = containers.flatMap(({ field }) => field.get('env').asList());
  return variables.find((variable) => JSON.stringify(variable.path) === text) ?? null;
}
