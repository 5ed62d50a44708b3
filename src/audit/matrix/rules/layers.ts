// Ways that the access matrix denies and the cluster closes: by one layer only, or by some layers against others.

import { refToWorkload, type Severity, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Access } from '../access.ts';
import { LAYER_NAMES, type Layer } from '../layers.ts';
import { explainClosing, explainLayer, explainOpening, formatPassage, witnessToJson } from '../witness.ts';
import { doubtAbout, eachTarget, type Judged, type Way } from './judged.ts';
import { matrixRuleInfo, type MatrixRule } from './matrix-rule.ts';

export const SINGLE_LAYER: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-single-layer',
    title: 'One layer alone holds what the matrix denies',
    severity: 'low',
    tenets: ['T2', 'T4', 'T6'],
    help: `What the access matrix denies is closed by one layer only: by the network policies, by mutual TLS, by the policies of a mesh, or by Sallyport. One mistake in it, and it is open. A hole in everything but Sallyport, or but the mesh, is of medium severity: every packet arrives, and all rests on who is asked for its name.

Sallyport counts as a layer where its own listener is asked; that its policy is the matrix of this audit is taken for granted.

**Fix:** close it in the network as well, where only Sallyport or the mesh holds it; or put Sallyport before it, where only the network does.`,
  }),
  *evaluate(access: Access): Iterable<Verdict> {
    const isHeld = ({ standing }: Way['verdict']): boolean => standing === 'held';
    for (const judged of eachTarget(access, isHeld)) if (judged.ways.size > 0) yield* judgeLayers(judged, access);
  },
};

export const LAYERS_DISAGREE: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-layers-disagree',
    title: 'One layer lets in whom another keeps out',
    severity: 'low',
    tenets: ['T2', 'T4', 'T6'],
    help: `A rule of one layer lets this component in by name, and another layer keeps it out, as the access matrix wants it. One of them says what nobody means any more. Should the other be changed by somebody who goes by the first, there is a hole.

A layer that says nothing does not disagree: no policy of the network at all is no opinion.

**Fix:** take the rule away that lets it in.`,
  }),
  *evaluate(access: Access): Iterable<Verdict> {
    const isHeld = ({ standing }: Way['verdict']): boolean => standing === 'held';
    for (const judged of eachTarget(access, isHeld)) if (judged.ways.size > 0) yield* judgeAgreement(judged);
  },
};

const SEVERITIES: Readonly<Record<Layer, Severity>> = {
  network: 'low',
  mtls: 'medium',
  'mesh-authorization': 'medium',
  sallyport: 'medium',
};

function* judgeLayers({ to, ways }: Judged, access: Access): Iterable<Verdict> {
  const resource = refToWorkload(to, null);
  const alone = new Map<Layer, { readonly sources: Set<string>; readonly first: Way }>();
  let doubtful: Way | null = null;
  for (const [source, all] of ways) {
    for (const way of all) {
      const [layer] = way.verdict.denying;
      if (way.verdict.denying.length !== 1 || layer === undefined) continue;
      if (isUncertain(way)) {
        doubtful ??= way;
        continue;
      }
      const known = alone.get(layer) ?? { sources: new Set(), first: way };
      known.sources.add(source);
      alone.set(layer, known);
    }
  }
  for (const [layer, { sources, first }] of alone) {
    const names = [...sources].join(', ');
    const why = first.verdict.guards.filter((guard) => guard.layer === layer).map(explainLayer);
    const text = layer === 'network' ? explainClosing(first.witness) : why;
    yield failed(resource, {
      at: to.podPath,
      detail: `nothing but ${LAYER_NAMES[layer]} keeps ${names} out: ${formatPassage(first.witness)}, ${text.join('; ')}`,
      evidence: { layer, sources: [...sources], witness: witnessToJson(first.witness, text) },
      remediation: { text: REMEDIES[layer], patch: null, manifest: null },
      severity: SEVERITIES[layer],
      key: layer,
    });
  }
  if (doubtful !== null) {
    const { reason, detail } = doubtAbout(access, doubtful);
    const held = doubtful.verdict.denying.map((layer) => LAYER_NAMES[layer]).join(', ');
    yield unknown(resource, {
      at: to.podPath,
      reason,
      detail: `${held} keeps it closed, and whether anything else does is not known: ${formatPassage(doubtful.witness)}: ${detail}`,
    });
  }
  if (alone.size === 0 && doubtful === null) {
    yield passed(resource, to.podPath, 'two layers or more close what the matrix denies');
  }
}

const REMEDIES: Readonly<Record<Layer, string>> = {
  network: 'Put Sallyport before the workload, or have the mesh insist on identities and name who may.',
  mtls: 'Isolate the workload in the network, and name who may in the mesh or in Sallyport.',
  'mesh-authorization': 'Isolate the workload in the network as well.',
  sallyport: 'Isolate the workload in the network as well, for whom the matrix grants nothing.',
};

function isUncertain({ verdict: { network, guards } }: Way): boolean {
  return network === 'unknown' || guards.some(({ answer }) => answer === 'unknown');
}

function* judgeAgreement({ to, ways }: Judged): Iterable<Verdict> {
  const resource = refToWorkload(to, null);
  let isTold = false;
  for (const [source, all] of ways) {
    const first = all.map((way) => ({ way, meant: meantBy(way) })).find(({ meant }) => meant.length > 0);
    if (first === undefined) continue;
    isTold = true;
    const { way, meant } = first;
    const denying = way.verdict.denying.map((layer) => LAYER_NAMES[layer]).join(' and ');
    yield failed(resource, {
      at: to.podPath,
      detail: `${source} is let in by one layer and kept out by ${denying}: ${formatPassage(way.witness)}, let in by ${meant.join('; ')}`,
      evidence: { source, denying: way.verdict.denying, witness: witnessToJson(way.witness, meant) },
      remediation: { text: 'Take the rule away that lets it in.', patch: null, manifest: null },
      key: source,
    });
  }
  if (!isTold) yield passed(resource, to.podPath, 'no layer lets in whom another keeps out');
}

/** Rules that let it in by what they say, not by saying nothing. */
function meantBy({ verdict, witness }: Way): readonly string[] {
  const isAllowed = witness.reasons.some(({ effect, direction }) => effect === 'allows' && direction === 'ingress');
  const network = verdict.network === 'admits' && isAllowed ? explainOpening(witness) : [];
  const guards = verdict.guards.filter(({ answer, isMeant }) => answer === 'admits' && isMeant).map(explainLayer);
  return [...network, ...guards];
}
