// What falls with a component that has been broken into, beyond what the access matrix grants.

import type { Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Access } from '../access.ts';
import { describeCut, describePath, spreads, type Spread } from '../spread.ts';
import { refToComponent } from './component-ref.ts';
import { matrixRuleInfo, type MatrixRule } from './matrix-rule.ts';

export const REACH: MatrixRule = {
  info: matrixRuleInfo({
    id: 'matrix-reach',
    title: 'A component that is broken into leads further than the matrix grants',
    severity: 'medium',
    help: `Whoever takes over a component goes on to what it can reach, and from there to what that can reach. Followed are all ways that the cluster leaves open, over any number of hops and through workloads of no component as well, whether or not the matrix grants them. Each finding names the components that fall and that would not if the cluster admitted no more than the matrix grants; a way to each; and the one change that saves most workloads: an edge to close, or a component to isolate, of those that break nothing that the matrix grants.

**Fix:** make that change first.`,
  }),
  *evaluate(access: Access): Iterable<Verdict> {
    for (const spread of spreads(access)) yield judge(spread, refToComponent(access.policy, spread.component));
  },
};

function judge(spread: Spread, resource: Verdict['resource']): Verdict {
  const { component, reached, perhaps, workloads, unmapped, cut } = spread;
  const beyond = reached.filter(({ isGranted }) => !isGranted);
  if (beyond.length > 0) {
    const names = beyond.map((each) => each.component).join(', ');
    const [first] = beyond;
    const path = first === undefined ? '' : `; ${describePath(first)}`;
    const change = cut === null ? '' : `; ${describeCut(cut)} saves ${cut.saved} of ${workloads} workloads`;
    return failed(resource, {
      at: [],
      detail: `with ${component} fall ${names}, which the matrix leads to by no way${path}${change}`,
      evidence: {
        reached: reached.map((each) => ({ ...each })),
        workloads,
        unmapped,
        cut: cut === null ? null : { ...cut },
      },
      remediation: {
        text: cut === null ? 'Close the holes on these ways.' : `First: ${describeCut(cut)}.`,
        patch: null,
        manifest: null,
      },
    });
  }
  if (perhaps.length > 0) {
    const detail = `whether ${perhaps.join(', ')} fall with ${component} is not known: ways there are neither open nor closed for certain`;
    return unknown(resource, { at: [], reason: 'open-ways', detail });
  }
  const many = reached.length === 0 ? 'no other component' : reached.map((each) => each.component).join(', ');
  return passed(resource, [], `from it ${many} can be reached, as the matrix grants`);
}
