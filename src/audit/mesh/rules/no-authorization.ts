// Workloads in a mesh at which every identity of the mesh is as good as any other, and policies that plaintext passes by.

import type { Cluster } from '../../cluster.ts';
import { refToWorkload, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Workload } from '../../workload.ts';
import { authorize, type MeshAnswer } from '../admission.ts';
import { ANONYMOUS, STRANGER } from '../caller.ts';
import { isGateway } from '../carrier.ts';
import type { AuthorizationPolicy } from '../istio-policy.ts';
import { meshOf, requiresIdentity, type Mesh } from '../mesh.ts';
import { findListener } from '../sallyport.ts';
import { allowCallers, linkerdServer } from './manifests.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { placeOf, remedyFor } from './mtls-not-strict.ts';
import { subjectsOf } from './scope.ts';

export const NO_AUTHORIZATION: Rule = {
  info: meshRuleInfo({
    id: 'mesh-no-authorization',
    title: 'Every identity of the mesh may ask',
    severity: 'medium',
    tenets: ['T3', 'T4', 'T6'],
    check: null,
    help: `Mutual TLS says who is calling, not who may. Without an AuthorizationPolicy that allows some, every workload of the mesh is let through, and so is whoever has broken into any of them: a notebook reaches the model registry as its pipeline does.

A policy that allows everybody (\`rules: [{}]\`, \`principals: ["*"]\`) is none. Judged is whether a workload of the mesh that no policy names would get through.

**Fix:** an AuthorizationPolicy of action ALLOW that names the callers; better, one for the whole namespace that allows nobody, and one for each workload.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const workload of subjectsOf(cluster, mesh)) {
      const ports = guardedPorts(mesh, workload);
      if (ports.length > 0) yield judgeStranger(mesh, workload, ports);
    }
  },
};

export const PLAINTEXT_PASSES_POLICY: Rule = {
  info: meshRuleInfo({
    id: 'mesh-plaintext-passes-policy',
    title: 'A policy about identities lets plaintext through',
    severity: 'high',
    aliases: ['ISTIO-SECURITY-2021-004'],
    check: null,
    help: `\`principals\`, \`namespaces\` and \`serviceAccounts\` are read from the certificate of the caller. Plaintext has none: a rule that denies by them never matches it, and one that allows all but some (\`notNamespaces\`) always does. Whoever is denied sends the same request without TLS.

**Fix:** mode \`STRICT\`, so that there is no plaintext; or a policy that denies \`notPrincipals: ["*"]\`.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const workload of subjectsOf(cluster, mesh)) {
      const isConcerned = mesh.authorizationPolicies.of(workload).some(isBlindToPlaintext);
      const ports = isConcerned ? guardedPorts(mesh, workload) : [];
      if (ports.length > 0) yield judgePlaintext(mesh, workload, ports);
    }
  },
};

/** Its TCP ports that the mesh sees; of what Sallyport guards, Sallyport's own matrix tells who may ask. */
function guardedPorts(mesh: Mesh, workload: Workload): readonly number[] {
  const { kind } = mesh.carrierOf(workload);
  if (kind === 'none' || kind === 'unknown' || isGateway(workload)) return [];
  const sallyport = mesh.sallyportOf(workload);
  return mesh.portsOf(workload).flatMap(({ number, protocol }) => {
    const mode = mesh.mtlsMode(workload, number);
    const isOwn = findListener(sallyport, number) !== null || mode.isProbes || mode.opening !== null;
    return protocol !== 'TCP' || isOwn ? [] : number;
  });
}

function judgeStranger(mesh: Mesh, workload: Workload, ports: readonly number[]): Verdict {
  const answers = ports.map((port) => ({ port, answer: authorize(mesh, STRANGER, { to: workload, port }) }));
  const resource = refToWorkload(workload, null);
  const open = answers.filter(({ answer }) => answer.admission === 'allowed');
  const [first] = open;
  if (first !== undefined) {
    const numbers = open.map(({ port }) => port);
    const isLinkerd = first.answer.enforcer === 'linkerd';
    const manifest = isLinkerd ? linkerdServer(workload, first.port) : allowCallers(workload, numbers);
    return failed(resource, {
      at: placeOf(mesh, workload, first.port),
      detail: `every identity of the mesh may ask at ${formatPorts(numbers)}: ${first.answer.why.join(', ')}`,
      evidence: { ports: numbers, why: first.answer.why, policies: namesOf(first.answer) },
      remediation: { text: 'Name the callers in a policy that allows them.', patch: null, manifest },
    });
  }
  const doubtful = answers.find(({ answer }) => answer.admission === 'unknown');
  if (doubtful !== undefined) {
    const detail = `whether every identity of the mesh may ask at port ${doubtful.port} is not known: ${doubtful.answer.why.join(', ')}`;
    return unknown(resource, { at: placeOf(mesh, workload, doubtful.port), reason: 'mesh-policy', detail });
  }
  const why = [...new Set(answers.flatMap(({ answer }) => answer.why))];
  return passed(resource, workload.podPath, `an identity that no policy names gets no free passage: ${why.join(', ')}`);
}

function judgePlaintext(mesh: Mesh, workload: Workload, ports: readonly number[]): Verdict {
  const resource = refToWorkload(workload, null);
  const passable = ports
    .map((port) => ({
      port,
      needsIdentity: requiresIdentity(mesh, workload, port),
      answer: authorize(mesh, ANONYMOUS, { to: workload, port }),
      passed: policiesPassed(mesh, workload, port),
    }))
    .filter(({ needsIdentity, passed }) => needsIdentity !== 'yes' && passed.length > 0);
  const open = passable.filter(({ needsIdentity, answer }) => needsIdentity === 'no' && answer.admission === 'allowed');
  const [first] = open;
  if (first !== undefined) {
    const numbers = open.map(({ port }) => port);
    const names = [...new Set(open.flatMap(({ passed }) => passed))];
    return failed(resource, {
      at: placeOf(mesh, workload, first.port),
      detail: `plaintext gets through at ${formatPorts(numbers)}, past AuthorizationPolicy ${names.join(', ')}, which goes by identities`,
      evidence: { ports: numbers, policies: names },
      remediation: remedyFor(mesh, workload, { port: first.port, mode: mesh.mtlsMode(workload, first.port) }),
    });
  }
  const doubtful = passable.find(({ answer }) => answer.admission === 'allowed' || answer.admission === 'unknown');
  if (doubtful !== undefined) {
    const detail = `whether plaintext gets through at port ${doubtful.port}, past policies that go by identities, is not known`;
    return unknown(resource, { at: placeOf(mesh, workload, doubtful.port), reason: 'mesh-mode', detail });
  }
  return passed(resource, workload.podPath, 'no plaintext gets past policies that go by identities');
}

/** The policies about identities that could have a say at a port, were the caller's known. */
function policiesPassed(mesh: Mesh, workload: Workload, port: number): readonly string[] {
  const enforcer = mesh.carrierOf(workload).kind === 'istio-ambient' ? 'ztunnel' : 'sidecar';
  const caller = { kind: 'unknown', reason: '' } as const;
  return mesh.authorizationPolicies
    .matches(workload, { caller, port, enforcer })
    .filter(({ policy, match }) => match !== 'no' && isBlindToPlaintext(policy))
    .map(({ policy: { object } }) => `${object.namespace ?? ''}/${object.name}`);
}

/** It denies by who somebody is, or allows by who somebody is not. */
function isBlindToPlaintext({ action, rules, isDryRun }: AuthorizationPolicy): boolean {
  if (isDryRun || (action !== 'ALLOW' && action !== 'DENY')) return false;
  return rules.some(({ from, when }) =>
    [...(from ?? []).flat(), ...when].some(({ attribute, values }) => {
      const isOfIdentity = attribute === 'principal' || attribute === 'namespace' || attribute === 'service-account';
      return isOfIdentity && (action === 'DENY') === values.length > 0;
    }),
  );
}

function namesOf({ policies }: MeshAnswer): readonly string[] {
  return policies.map(({ namespace, name }) => `${namespace ?? ''}/${name}`);
}

function formatPorts(ports: readonly number[]): string {
  return `${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`;
}
