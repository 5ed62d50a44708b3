import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adminAllows } from './reference/admin.ts';
import { adminPolicies, calicoSettings, ciliumPolicies, kubernetesPolicies } from './reference/arbitrary-policies.ts';
import { calicoAllows } from './reference/calico.ts';
import { ciliumAllows } from './reference/cilium.ts';
import { differences } from './reference/compare.ts';
import { kubernetesAllows } from './reference/kubernetes.ts';
import { bodiesOf, pods } from './reference/random-world.ts';

describe('the engine, held against a naive reading', () => {
  it('of NetworkPolicy', () => {
    fc.assert(
      fc.property(pods, kubernetesPolicies, (list, policies) => {
        const bodies = [...bodiesOf(list), ...policies];
        const allows = (question: Parameters<typeof kubernetesAllows>[1]) => kubernetesAllows(bodies, question);
        expect(differences(list, bodies, { cni: 'standard', allows })).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  it('of admin, baseline and cluster policies around NetworkPolicy', () => {
    fc.assert(
      fc.property(pods, kubernetesPolicies, adminPolicies, (list, kubernetes, admin) => {
        const bodies = [...bodiesOf(list), ...kubernetes, ...admin];
        expect(
          differences(list, bodies, { cni: 'standard', allows: (question) => adminAllows(bodies, question) }),
        ).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  it('of policies of Cilium beside NetworkPolicy', () => {
    fc.assert(
      fc.property(pods, kubernetesPolicies, ciliumPolicies, (list, kubernetes, cilium) => {
        const bodies = [...bodiesOf(list), ...kubernetes, ...cilium];
        expect(
          differences(list, bodies, { cni: 'cilium', allows: (question) => ciliumAllows(bodies, question) }),
        ).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  it('of policies of Calico in their tiers', () => {
    fc.assert(
      fc.property(pods, calicoSettings, (list, setting) => {
        const bodies = [...bodiesOf(list), ...setting.bodies];
        const world = { bodies, selectors: setting.selectors };
        expect(
          differences(list, bodies, { cni: 'calico', allows: (question) => calicoAllows(world, question) }),
        ).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });

  it('of policies of Calico with those of Kubernetes among them', () => {
    fc.assert(
      fc.property(pods, calicoSettings, kubernetesPolicies, adminPolicies, (list, setting, kubernetes, admin) => {
        const bodies = [...bodiesOf(list), ...setting.bodies, ...kubernetes, ...admin];
        const world = { bodies, selectors: setting.selectors };
        expect(
          differences(list, bodies, { cni: 'calico', allows: (question) => calicoAllows(world, question) }),
        ).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });
});
