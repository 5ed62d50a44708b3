// What the access matrix grants, and the cluster blocks.

import { refToWorkload, type Remediation, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Access } from '../access.ts';
import { LAYER_NAMES } from '../layers.ts';
import { openingPolicies } from '../opening-policy.ts';
import { explainClosing, explainLayer, formatPassage, formatPort, witnessToJson } from '../witness.ts';
import { doubtAbout, eachTarget, isAsked, type Judged, type Way } from './judged.ts';
import { matrixRuleInfo, type MatrixRule } from './matrix-rule.ts';

export const BREAKAGE: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-breakage',
    title: 'The cluster blocks what the matrix grants',
    severity: 'medium',
    atlas: [],
    help: `The access matrix grants this component requests to that one, and they cannot arrive: a network policy, the mesh or Sallyport blocks them. Either something is broken, or the matrix grants more than anybody uses.

Ports on which only probes and metrics of Sallyport are, those beside Sallyport, and those of other protocols than TCP are left out. Where other ports of the same workload are open to the same pod, the severity is low: a port may have nothing to do with the matrix.

**Fix:** open the way, with the policy that stands with the finding; or take the grant out of the matrix.`,
  }),
  *evaluate(access: Access): Iterable<Verdict> {
    const isWanted = ({ standing }: Way['verdict']): boolean => standing === 'breakage' || standing === 'unknown';
    for (const judged of eachTarget(access, isWanted)) yield* judge(judged, access);
  },
};

function* judge({ to, component, ways, cell }: Judged, access: Access): Iterable<Verdict> {
  const resource = refToWorkload(to, null);
  let isTold = false;
  for (const [source, all] of ways) {
    if (!access.grants.has(source, component)) continue;
    isTold = true;
    const blocked = all.filter(({ verdict }) => verdict.standing === 'breakage');
    if (blocked.length > 0) yield toFailure({ source, to, component, blocked, access });
    const doubtful = all.find(({ verdict }) => verdict.standing === 'unknown');
    if (doubtful === undefined) continue;
    const { reason, detail } = doubtAbout(access, doubtful);
    yield unknown(resource, {
      at: to.podPath,
      reason,
      detail: `the matrix grants ${source} requests to ${component}, and whether they arrive is not known: ${formatPassage(doubtful.witness)}: ${detail}`,
      key: source,
    });
  }
  const isGranted = [...(access.into[cell.id]?.keys() ?? [])].some((source) => access.grants.has(source, component));
  if (!isTold && isGranted && isAsked(access, cell)) {
    yield passed(resource, to.podPath, 'what the matrix grants arrives');
  }
}

const MAX_WITNESSES = 10;

interface Breakage extends Pick<Judged, 'to' | 'component'> {
  readonly source: string;
  readonly blocked: readonly Way[];
  readonly access: Access;
}

function toFailure({ source, to, component, blocked, access }: Breakage): Verdict {
  const ports = [...new Set(blocked.map(({ verdict }) => formatPort(verdict.port)))];
  const verbs = access.grants.verbs(source, component).join(', ');
  const isPartly = blocked.every(({ edge }) => edge.ports.some(({ standing }) => standing === 'allowed'));
  const [first] = blocked;
  const why = first === undefined ? [] : blockedBy(first);
  const passage = first === undefined ? '' : formatPassage(first.witness);
  return {
    ...failed(refToWorkload(to, null), {
      at: to.podPath,
      detail: `the matrix grants ${source} ${verbs} of ${component}, and the cluster blocks ${ports.join(', ')}: ${passage}, by ${why.join('; ')}`,
      evidence: {
        source,
        target: component,
        verbs: access.grants.verbs(source, component),
        ports,
        witnesses: blocked.slice(0, MAX_WITNESSES).map((way) => witnessToJson(way.witness, blockedBy(way))),
      },
      remediation: remedyFor(blocked),
      key: source,
    }),
    ...(isPartly ? { severity: 'low' as const } : {}),
  };
}

function blockedBy({ verdict, witness }: Way): readonly string[] {
  const guards = verdict.guards.filter(({ toRegular }) => toRegular === 'denies').map(explainLayer);
  return verdict.network === 'denies' ? [...explainClosing(witness), ...guards] : guards;
}

function remedyFor(blocked: readonly Way[]): Remediation {
  const layers = new Set(
    blocked.flatMap(({ verdict }) => [
      ...(verdict.network === 'denies' ? (['network'] as const) : []),
      ...verdict.guards.filter(({ toRegular }) => toRegular === 'denies').map(({ layer }) => layer),
    ]),
  );
  const names = [...layers].map((layer) => LAYER_NAMES[layer]).join(' and ');
  const manifest = openingPolicies(blocked.map(({ witness }) => witness));
  const text = `Open the way in ${names}, or take the grant out of the matrix.`;
  return { text, patch: null, manifest };
}
