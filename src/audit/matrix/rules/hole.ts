// Ways that the access matrix denies, and that nothing in the cluster closes.

import type { Cluster } from '../../cluster.ts';
import { refToWorkload, type Remediation, type Verdict } from '../../finding.ts';
import { findUnreadInput } from '../../network/unread-input.ts';
import { failed, passed, unknown, unknownWithout } from '../../verdict.ts';
import type { Access } from '../access.ts';
import { ClosingPolicies } from '../closing-policy.ts';
import { explainLayer, explainOpening, formatAdmitted, formatPassage, witnessToJson } from '../witness.ts';
import { doubtAbout, eachTarget, isAsked, type Judged, type Way } from './judged.ts';
import { matrixRuleInfo, type MatrixRule } from './matrix-rule.ts';

export const HOLE: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-hole',
    title: 'The cluster admits what the matrix denies',
    severity: 'high',
    help: `The access matrix grants this component nothing of that one, and yet its pods get an answer from it: no network policy stands in the way, no mutual TLS, no policy of a mesh and no Sallyport. Each finding names a witness: a pod that gets there, and the rule it gets through, or that there is none.

Looked at are the ports that containers declare and Services lead to; where there are none, any port. Where the network lets through to other ports as well, and nothing else keeps the caller out, the verdict is unknown (\`port-undeclared\`): a container listens wherever it likes. Behind Sallyport, where all of a pod is proved to be on loopback, nobody does. Workloads belong to the component that owns their SPIFFE ID, as \`--spiffe-id-template\` makes it, or that their label says (\`--component-label\`). Between workloads of one component the severity is medium. Pods of one object are one thing.

**Fix:** the NetworkPolicy that stands with the finding, which lets in whom the matrix grants something and nobody else. Whoever belongs to no component, such as what scrapes metrics, has to be added.`,
  }),
  *evaluate(access: Access, cluster: Cluster): Iterable<Verdict> {
    const closing = new ClosingPolicies(access, cluster);
    for (const judged of eachTarget(access, isDeniedAndOpen)) yield* judge(judged, { access, cluster, closing });
  },
};

function isDeniedAndOpen({ standing }: Way['verdict']): boolean {
  return standing === 'hole' || standing === 'unknown';
}

interface Setting {
  readonly access: Access;
  readonly cluster: Cluster;
  readonly closing: ClosingPolicies;
}

function* judge({ to, component, ways, cell }: Judged, { access, cluster, closing }: Setting): Iterable<Verdict> {
  const resource = refToWorkload(to, null);
  const doubts = new Map<string, { readonly detail: string; readonly sources: Set<string> }>();
  const holes = new Map<string, readonly Way[]>();
  for (const [source, all] of ways) {
    if (access.grants.has(source, component)) continue;
    const open = all.filter(({ verdict }) => verdict.standing === 'hole');
    if (open.length > 0) holes.set(source, open);
    for (const way of all.filter(({ verdict }) => verdict.standing === 'unknown')) {
      const { reason, detail } = doubtAbout(access, way);
      const known = doubts.get(reason) ?? { detail: `${formatPassage(way.witness)}: ${detail}`, sources: new Set() };
      doubts.set(reason, { ...known, sources: known.sources.add(source) });
    }
  }
  const remediation = remedyFor([...holes.values()].flat(), closing);
  for (const [source, open] of holes) yield toFailure({ source, to, component, open, remediation });
  for (const [reason, { detail, sources }] of doubts) {
    const names = [...sources].join(', ');
    yield unknown(resource, {
      at: to.podPath,
      reason,
      detail: `the matrix denies ${names} everything here, and whether the cluster does is not known: ${detail}`,
      evidence: { sources: [...sources] },
      key: reason,
    });
  }
  if (holes.size > 0 || doubts.size > 0 || !isAsked(access, cell)) return;
  const missing = findUnreadInput(cluster);
  yield missing === null
    ? passed(resource, to.podPath, 'whoever the matrix denies everything gets no answer')
    : unknownWithout(resource, to.podPath, missing);
}

const MAX_WITNESSES = 10;

interface Hole extends Pick<Judged, 'to' | 'component'> {
  readonly source: string;
  readonly open: readonly Way[];
  readonly remediation: Remediation;
}

function toFailure({ source, to, component, open, remediation }: Hole): Verdict {
  const ports = [...new Set(open.map(({ edge, verdict }) => formatAdmitted(edge, verdict)))];
  const [first] = open;
  const through = first === undefined ? [] : throughOf(first);
  const passage = first === undefined ? '' : formatPassage(first.witness);
  return {
    ...failed(refToWorkload(to, null), {
      at: to.podPath,
      detail: `${source} reaches ${component} at ${ports.join(', ')}, and the matrix grants it nothing there: ${passage}, through ${through.join('; ')}`,
      evidence: {
        source,
        target: component,
        ports,
        witnesses: open.slice(0, MAX_WITNESSES).map((way) => witnessToJson(way.witness, throughOf(way))),
      },
      remediation,
      key: source,
    }),
    ...(source === component ? { severity: 'medium' as const } : {}),
  };
}

/** The rules of the network, and what else could have stood there. */
function throughOf({ witness, verdict }: Way): readonly string[] {
  const passing = verdict.guards.filter(({ layer, answer }) => answer === 'admits' || layer !== 'sallyport');
  return [...explainOpening(witness), ...passing.map(explainLayer)];
}

function remedyFor(open: readonly Way[], policies: ClosingPolicies): Remediation {
  const closing = policies.close(open.map(({ witness }) => witness));
  if (closing.kind === 'manifest') {
    const text =
      'Apply this policy: it lets in whom the matrix grants something. Add whoever belongs to no component and has to come, such as what scrapes metrics or lets requests in from outside.';
    return { text, patch: null, manifest: closing.text };
  }
  const text = `Close the way in the network, or put Sallyport before it. No policy is proposed: ${closing.why}.`;
  return { text, patch: null, manifest: null };
}
