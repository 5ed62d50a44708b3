// The components of the access matrix and what the cluster makes of every edge between them, as one value for reports.

import type { Cluster } from '../cluster.ts';
import type { AuditContext } from '../finding.ts';
import { isInfrastructure } from '../mesh/rules/scope.ts';
import type { CniName } from '../network/cni.ts';
import type { Verb } from '../../policy/decision.ts';
import { accessOf, type Access } from './access.ts';
import { componentsIn, type Cell } from './cell.ts';
import type { EdgeCase, PortVerdict } from './edge.ts';
import { LAYER_NAMES, type Layer, type LayerAnswer } from './layers.ts';
import { spreads, type Spread } from './spread.ts';
import {
  explainClosing,
  explainDoubt,
  explainLayer,
  explainOpening,
  findWitness,
  formatAdmitted,
  formatPassage,
  type Witness,
} from './witness.ts';

/** The gravest first. `held`: by two layers or more. */
export const EDGE_STATES = ['hole', 'breakage', 'unknown', 'one-layer', 'allowed', 'held'] as const;
export type EdgeState = (typeof EDGE_STATES)[number];

export interface GraphNode {
  readonly component: string;
  readonly workloads: readonly string[];
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** The gravest of all pairs of workloads and ports. */
  readonly state: EdgeState;
  /** That the matrix grants. */
  readonly verbs: readonly Verb[];
  /** At which it is so. */
  readonly ports: readonly string[];
  /** What each layer answers there. */
  readonly layers: Readonly<Partial<Record<Layer, LayerAnswer>>>;
  /** `ml/a[Job] → ml/b[Deployment] : TCP 80`; null where no workload could be one. */
  readonly witness: string | null;
  readonly why: readonly string[];
}

export interface ComponentGraph {
  /** In the order of the matrix. */
  readonly nodes: readonly GraphNode[];
  /** The gravest first. */
  readonly edges: readonly GraphEdge[];
  readonly spreads: readonly Spread[];
  /** Of no component, or of one of two, and not of the platform itself: what they reach, and who reaches them, the matrix says nothing about. */
  readonly unmapped: readonly string[];
}

/** Null without a matrix. */
export function componentGraph(cluster: Cluster, context: AuditContext, cni: CniName | null): ComponentGraph | null {
  const access = accessOf(cluster, context, cni);
  return access === null ? null : describeAccess(access);
}

export function describeAccess(access: Access): ComponentGraph {
  const { policy, answers } = access;
  const workloadsOf = new Map<string, string[]>(policy.components.map((name) => [name, []]));
  for (const [workload, answer] of answers) {
    for (const name of componentsIn(answer)) workloadsOf.get(name)?.push(workload.ref);
  }
  const nodes = [...workloadsOf].map(([component, workloads]) => ({ component, workloads }));
  const edges = [...edgesOf(access), ...edgesWithoutWorkloads(access, nodes)];
  edges.sort((left, right) => EDGE_STATES.indexOf(left.state) - EDGE_STATES.indexOf(right.state));
  const unmapped = [...answers].flatMap(([{ ref, namespace }, { kind }]) =>
    kind === 'component' || isInfrastructure(namespace, access.mesh) ? [] : ref,
  );
  return { nodes, edges, spreads: spreads(access), unmapped };
}

interface Graded {
  readonly state: EdgeState;
  readonly edge: EdgeCase;
  readonly witness: Witness;
}

function edgesOf(access: Access): readonly GraphEdge[] {
  const gravest = new Map<string, Graded>();
  const ports = new Map<string, Set<string>>();
  for (const cell of access.cells) {
    for (const [from, cases] of access.into[cell.id] ?? []) {
      for (const edge of cases) {
        for (const verdict of edge.ports) {
          const state = stateOf(edge, verdict);
          const key = JSON.stringify([from, cell.component]);
          const place = `${key} ${state}`;
          ports.set(place, (ports.get(place) ?? new Set()).add(formatAdmitted(edge, verdict)));
          const known = gravest.get(key);
          if (known !== undefined && EDGE_STATES.indexOf(known.state) <= EDGE_STATES.indexOf(state)) continue;
          const witness = witnessAmong(access, cell, { edge, verdict });
          if (witness !== null) gravest.set(key, { state, edge, witness });
        }
      }
    }
  }
  return access.policy.components.flatMap((from) =>
    access.policy.components.flatMap((to): readonly GraphEdge[] => {
      const key = JSON.stringify([from, to]);
      const found = gravest.get(key);
      if (found === undefined) return [];
      const { state, witness } = found;
      const { network, guards } = witness.verdict;
      return [
        {
          from,
          to,
          state,
          verbs: access.grants.verbs(from, to),
          ports: [...(ports.get(`${key} ${state}`) ?? [])].sort(),
          layers: { network, ...Object.fromEntries(guards.map(({ layer, answer }) => [layer, answer])) },
          witness: formatPassage(witness),
          why: explain(found),
        },
      ];
    }),
  );
}

interface Told {
  readonly edge: EdgeCase;
  readonly verdict: PortVerdict;
}

function witnessAmong({ found }: Access, { workloads }: Cell, { edge, verdict }: Told): Witness | null {
  for (const to of workloads) {
    const witness = findWitness(found, edge, { to, verdict });
    if (witness !== null) return witness;
  }
  return null;
}

/** Of a blocked port beside an open one nothing is broken for certain. */
function stateOf({ ports }: EdgeCase, { standing, denying, network, guards }: PortVerdict): EdgeState {
  if (standing === 'breakage') return ports.some((port) => port.standing === 'allowed') ? 'allowed' : 'breakage';
  if (standing !== 'held') return standing;
  const isCertain = network !== 'unknown' && guards.every(({ answer }) => answer !== 'unknown');
  return denying.length === 1 && isCertain ? 'one-layer' : 'held';
}

function explain({ state, witness }: Graded): readonly string[] {
  const { guards, denying } = witness.verdict;
  switch (state) {
    case 'hole':
      return explainOpening(witness);
    case 'breakage':
      return [
        ...explainClosing(witness),
        ...guards.filter(({ toRegular }) => toRegular === 'denies').map(explainLayer),
      ];
    case 'unknown':
      return [
        ...explainDoubt(witness),
        ...guards.filter(({ answer }) => answer === 'unknown').map(explainLayer),
        ...(witness.verdict.port.doubt === null ? [] : [witness.verdict.port.doubt]),
      ];
    case 'one-layer':
    case 'held':
      return denying.map((layer) => `closed by ${LAYER_NAMES[layer]}`);
    case 'allowed':
      return [];
  }
}

/** What the matrix grants to or of a component of which nothing was seen. */
function edgesWithoutWorkloads({ policy, grants }: Access, nodes: readonly GraphNode[]): readonly GraphEdge[] {
  const absent = new Set(nodes.flatMap(({ component, workloads }) => (workloads.length === 0 ? component : [])));
  return policy.components.flatMap((from) =>
    policy.components
      .filter((to) => (absent.has(from) || absent.has(to)) && grants.has(from, to))
      .map((to): GraphEdge => {
        const missing = [from, to].filter((name) => absent.has(name)).join(' and ');
        const why = [`no workload of ${missing} among what was read`];
        return { from, to, state: 'unknown', verbs: grants.verbs(from, to), ports: [], layers: {}, witness: null, why };
      }),
  );
}
