// Rules that allow everything, of policies of every kind: they undo every isolation, for allows add up.

import { refToObject, type Rule, type Verdict } from '../finding.ts';
import type { KubeObject } from '../kube-object.ts';
import { formatPath } from '../path.ts';
import { failed, passed, unknown } from '../verdict.ts';
import { type Answer, and, doubt, isDoubt, or } from './answer.ts';
import { askPeer } from './ask-program.ts';
import type { CniName } from './cni.ts';
import type { Connectivity } from './connectivity.ts';
import type { Endpoint } from './endpoint.ts';
import { largestPart } from './outside.ts';
import { resolvePorts } from './port-test.ts';
import { sharedConnectivity } from './shared-connectivity.ts';
import { isWide, STRANGER } from './stranger.ts';
import type { Direction, PolicyRule, TrafficPolicy } from './traffic-policy.ts';

export function allowAllRule(cni: CniName | null): Rule {
  return {
    info: {
      id: 'network-allow-all',
      title: 'A policy allows everything',
      severity: 'medium',
      tenets: ['T2', 'T4'],
      aliases: ['C-0030'],
      atlas: ['AML.TA0015'],
      help: `A rule without peers and ports (\`ingress: [{}]\`), with \`namespaceSelector: {}\`, or with \`0.0.0.0/0\` and no ports lets everything through for the pods of its policy. Policies only add up: no other policy takes it back, however strict it is, and a policy called *deny* with such a rule denies nothing.

In Cilium \`[{}]\` is the opposite: it denies everything.

**Fix:** name the peers and the ports.`,
      subject: 'object',
      check: 'default-deny',
    },
    evaluate: (cluster) => judge(sharedConnectivity(cluster, cni)),
  };
}

interface FoundRule {
  readonly direction: Direction;
  readonly rule: PolicyRule;
  readonly answer: Answer;
}

function* judge(found: Connectivity): Iterable<Verdict> {
  const byObject = new Map<KubeObject, TrafficPolicy[]>();
  for (const policy of found.policies) {
    if (policy.object === null) continue;
    const known = byObject.get(policy.object);
    if (known === undefined) byObject.set(policy.object, [policy]);
    else known.push(policy);
  }
  for (const [object, policies] of byObject) yield* judgeObject(object, policies, found);
}

function* judgeObject(object: KubeObject, policies: readonly TrafficPolicy[], found: Connectivity): Iterable<Verdict> {
  const resource = refToObject(object);
  const open = policies.flatMap((policy) => openRulesOf(policy, found));
  for (const { direction, rule } of open.filter(({ answer }) => answer === true)) {
    yield failed(resource, {
      at: rule.path,
      detail: `${formatPath(rule.path)} allows ${direction === 'ingress' ? 'connections from' : 'connections to'} everywhere, whatever other policies say`,
      evidence: { direction, rule: formatPath(rule.path) },
      remediation: {
        text: `Name the peers and ports of ${formatPath(rule.path)}, or take the rule out.`,
        patch: null,
        manifest: null,
      },
    });
  }
  if (open.some(({ answer }) => answer === true)) return;
  const [perhaps] = open;
  const reason = perhaps?.answer;
  if (perhaps !== undefined && reason !== undefined && isDoubt(reason)) {
    yield unknown(resource, {
      at: perhaps.rule.path,
      reason: reason.code,
      detail: `whether ${formatPath(perhaps.rule.path)} allows everything is not known: ${reason.detail}`,
    });
  } else yield passed(resource, ['spec'], 'no rule of it allows everything');
}

/** Of blocks, those of one family are enough: a cluster of that family has nothing else. */
function openRulesOf(policy: TrafficPolicy, { outside }: Connectivity): readonly FoundRule[] {
  const ranges = [largestPart(outside, 4), largestPart(outside, 6)].flatMap((part) => part?.addresses[0] ?? []);
  const peers: readonly Endpoint[] = [STRANGER, ...ranges.map((range) => ({ kind: 'outside', range }) as const)];
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    policy[direction].rules
      .filter(({ action, own }) => action === 'allow' && own === null)
      .map((rule) => {
        const ofPeers = peers.reduce<Answer>((answer, peer) => or(answer, openTo(rule, peer)), false);
        return { direction, rule, answer: and(ofPeers, rule.doubt ?? true) };
      })
      .filter(({ answer }) => answer !== false),
  );
}

/** Names stand for few ports, and are no reason to take a rule for one that allows everything. */
function openTo({ peer, ports }: PolicyRule, endpoint: Endpoint): Answer {
  const answer = askPeer(peer, endpoint);
  const { bounds, doubt: reason } = resolvePorts({ ...ports, include: { ...ports.include, names: [] } }, STRANGER);
  if (isWide(bounds.certain)) return answer;
  return isWide(bounds.possible) ? and(answer, reason ?? UNREADABLE) : false;
}

const UNREADABLE = doubt('malformed', 'the ports cannot be read');
