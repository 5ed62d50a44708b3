// That a workload has all adapters of its node, and not only what it was given.

import type { Field } from '../fields.ts';
import { refToWorkload, type Verdict } from '../finding.ts';
import type { Path } from '../path.ts';
import { patchToSet, remedy } from '../pods/patch.ts';
import { failed, passed } from '../verdict.ts';
import type { Container, Workload } from '../workload.ts';
import { entry } from './embedded-json.ts';
import { rdmaRule, sentence, toldEvidence } from './rdma-rule.ts';

const GIVE_ONE =
  'Request the adapter from a device plugin or a DRA driver, which gives the container one verbs device, or a virtual function of its own; IPC_LOCK is the only capability that RDMA needs.';

export const PRIVILEGED_ACCESS = rdmaRule({
  info: {
    id: 'rdma-privileged-access',
    title: 'A workload has every adapter of its node',
    severity: 'high',
    tenets: ['T2', 'T5'],
    aliases: [],
    atlas: ['AML.T0105', 'AML.TA0015'],
    subject: 'workload',
    check: null,
    help: `A privileged container, a mounted \`/dev/infiniband\`, or the network of the node bring all adapters at once: those of other pods, of storage, and the management devices. With \`umad\` a process sends management packets to the whole subnet, and with \`issm\` it can become its subnet manager and rewrite the partitions that isolate everybody else.

**Fix:** let a device plugin or a DRA driver hand out one verbs device or one virtual function, without privileges. \`IPC_LOCK\` is all that RDMA needs beside it.`,
  },
  *judge(cluster, workload, evidence) {
    const told = toldEvidence(cluster, workload, evidence);
    const ways = [...waysPast(workload)];
    for (const item of evidence) {
      const isDevice = item.source === 'host-device' || item.source === 'device-injection';
      if (isDevice && item.isHostWide)
        ways.push({ container: item.container, at: item.at, detail: sentence(item), fix: null });
    }
    for (const { container, at, detail, fix } of ways) {
      yield failed(refToWorkload(workload, container), {
        at,
        detail: `${detail}, and so has every adapter of its node`,
        evidence: told,
        remediation: remedy(workload, GIVE_ONE, fix === null ? null : patchToSet(fix.base, fix.steps, false)),
      });
    }
    if (ways.length === 0) yield { ...onlyItsOwn(workload), evidence: told };
  },
});

interface Way {
  readonly container: Container | null;
  readonly at: Path;
  readonly detail: string;
  readonly fix: { readonly base: Field; readonly steps: readonly string[] } | null;
}

function* waysPast(workload: Workload): Iterable<Way> {
  const { podSpec, containers, isHostNetwork } = workload;
  if (isHostNetwork) {
    const fix = { base: podSpec, steps: ['hostNetwork'] };
    yield {
      container: null,
      at: podSpec.get('hostNetwork').path,
      detail: 'the pod is on the network of its node',
      fix,
    };
  }
  for (const container of containers) {
    const place = entry(container.field, 'securityContext', 'privileged');
    if (place.value !== true) continue;
    const fix = { base: container.field, steps: ['securityContext', 'privileged'] };
    yield { container, at: place.path, detail: `container \`${container.name}\` is privileged`, fix };
  }
}

function onlyItsOwn(workload: Workload): Verdict {
  return passed(refToWorkload(workload, null), workload.podPath, 'has only the adapters that it was given');
}
