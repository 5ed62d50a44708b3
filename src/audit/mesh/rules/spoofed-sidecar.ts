// Containers and annotations that pass for the proxy of a mesh.

import type { Cluster } from '../../cluster.ts';
import { refToWorkload, type AuditContext, type Rule, type Verdict } from '../../finding.ts';
import { failed, passed, unknown } from '../../verdict.ts';
import type { Container, Workload } from '../../workload.ts';
import { annotationPath } from '../capture.ts';
import type { Carrier } from '../carrier.ts';
import { meshOf, type Mesh } from '../mesh.ts';
import {
  isIstioProxyImage,
  isLeftToInjector,
  isLinkerdProxyImage,
  PROXY_NAMES,
  SIDECAR_STATUS,
} from '../proxy-container.ts';
import { meshRuleInfo } from './mesh-rule-info.ts';
import { subjectsOf } from './scope.ts';

export const SPOOFED_SIDECAR: Rule = {
  info: meshRuleInfo({
    id: 'mesh-spoofed-sidecar',
    title: 'A container passes for a proxy of the mesh',
    severity: 'high',
    tenets: ['T2', 'T5', 'T6'],
    help: `A container may have any name. One called \`istio-proxy\`, \`linkerd-proxy\` or \`envoy-sidecar\` satisfies whoever goes by names, and encrypts nothing. What the injector puts into a pod has its mark (\`sidecar.istio.io/status\`, \`linkerd.io/proxy-version\`) and its image.

The mark alone is no better: a pod that carries it without a proxy is left out by ambient mode, which takes its word for it.

**Fix:** remove the container or the annotation and let the injector do its work; to change the injected proxy, leave its image at \`auto\`.`,
  }),
  *evaluate(cluster: Cluster, { options }: AuditContext): Iterable<Verdict> {
    const mesh = meshOf(cluster, options);
    for (const workload of subjectsOf(cluster, mesh)) {
      const carrier = mesh.carrierOf(workload);
      for (const container of workload.containers) {
        if (PROXY_NAMES.has(container.name)) yield* judgeContainer(mesh, workload, { container, carrier });
      }
      if (workload.annotations.has(SIDECAR_STATUS) && carrier.kind === 'none') yield judgeMark(workload);
    }
  },
};

function* judgeContainer(
  { settings }: Mesh,
  workload: Workload,
  { container, carrier }: { readonly container: Container; readonly carrier: Carrier },
): Iterable<Verdict> {
  const { name, image, path } = container;
  const resource = refToWorkload(workload, container);
  const at = [...path, 'name'];
  const isIstio = name === 'istio-proxy';
  const isLinkerd = name === 'linkerd-proxy';
  const isGenuine =
    (isIstio && isIstioProxyImage(image, settings.injector.proxyImage)) || (isLinkerd && isLinkerdProxyImage(image));
  const isOwnMesh = (isIstio && carrier.kind === 'istio-sidecar') || (isLinkerd && carrier.kind === 'linkerd');
  if (isOwnMesh && (isGenuine || isLeftToInjector(container) || carrier.isObserved)) {
    yield passed(resource, at, `a proxy of the mesh: ${carrier.reason}`);
    return;
  }
  // Another container of such a name beside a real proxy takes nobody in.
  if (!isIstio && !isLinkerd && carrier.kind !== 'none' && carrier.kind !== 'unknown') return;
  const evidence = { image: image ?? '', carrier: carrier.kind };
  if (carrier.kind === 'unknown' && (isGenuine || isLeftToInjector(container))) {
    const detail = `container ${name} may be the proxy of a mesh: ${carrier.reason}`;
    yield unknown(resource, { at, reason: 'mesh-membership', detail, evidence });
    return;
  }
  const why = isOwnMesh
    ? `its image ${image ?? ''} takes the place of the injected one`
    : `nothing shows that a mesh put it there: ${carrier.reason}`;
  yield failed(resource, {
    at,
    detail: `container ${name} is no proxy of the mesh: ${why}`,
    evidence,
    remediation: {
      text: isOwnMesh
        ? 'Leave the image of the proxy to the injector: image: auto.'
        : 'Remove the container, and have the injector put the proxy of the mesh into the pod.',
      patch: null,
      manifest: null,
    },
    severity: isIstio || isLinkerd ? 'high' : 'medium',
  });
}

function judgeMark(workload: Workload): Verdict {
  return failed(refToWorkload(workload, null), {
    at: annotationPath(workload, SIDECAR_STATUS),
    detail: `annotation \`${SIDECAR_STATUS}\` says that the pod has a sidecar, and it has none: ambient mode leaves it out`,
    evidence: { annotation: SIDECAR_STATUS },
    remediation: { text: 'Remove the annotation: only the injector sets it.', patch: null, manifest: null },
  });
}
