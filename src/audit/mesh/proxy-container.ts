// What shows that a container is the proxy of a mesh. A name shows nothing: anybody may call a container istio-proxy.

import type { Container, Workload } from '../workload.ts';

export type ProxyKind = 'istio' | 'linkerd';

/** What a pod, or the template of one, shows of itself. */
export type PodAppearance = Pick<Workload, 'labels' | 'annotations' | 'containers'>;

export const SIDECAR_STATUS = 'sidecar.istio.io/status';

/** Names under which proxies of meshes run, and which scanners look for. */
export const PROXY_NAMES: ReadonlySet<string> = new Set(['istio-proxy', 'linkerd-proxy', 'envoy-sidecar']);

/** The proxy that a pod has beyond doubt: of the right name, of a known image, and with the mark that only the injector leaves. */
export function findProxy(pod: PodAppearance, istioImage: string | null): ProxyKind | null {
  const running = pod.containers.filter(({ kind }) => kind === 'main' || kind === 'sidecar');
  const isIstio = running.some(({ name, image }) => name === 'istio-proxy' && isIstioProxyImage(image, istioImage));
  if (isIstio && pod.annotations.has(SIDECAR_STATUS)) return 'istio';
  const isLinkerd = running.some(({ name, image }) => name === 'linkerd-proxy' && isLinkerdProxyImage(image));
  if (isLinkerd && LINKERD_MARKS.some((mark) => pod.annotations.has(mark) || pod.labels.has(mark))) return 'linkerd';
  return null;
}

const LINKERD_MARKS = ['linkerd.io/proxy-version', 'linkerd.io/created-by', 'linkerd.io/control-plane-ns'] as const;

/** `expected` is the image that the injector is set up with; null when that is not known. */
export function isIstioProxyImage(image: string | null, expected: string | null): boolean {
  if (image === null) return false;
  const repository = repositoryOf(image);
  if (expected !== null) return withRegistry(repository) === withRegistry(repositoryOf(expected));
  return /(?:^|-)proxyv2(?:-|$)/.test(repository.slice(repository.lastIndexOf('/') + 1));
}

export function isLinkerdProxyImage(image: string | null): boolean {
  return image !== null && /(?:^|\/)(?:(?:linkerd|buoyantio)\/proxy|linkerd-proxy)$/.test(repositoryOf(image));
}

/** Whether a template leaves the image of its proxy to the injector. */
export function isLeftToInjector({ image }: Container): boolean {
  return image === null || image === '' || image === 'auto';
}

/** An image without tag and digest. */
export function repositoryOf(image: string): string {
  const [name = ''] = image.split('@');
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

/** `istio/proxyv2` is short for `docker.io/istio/proxyv2`. */
function withRegistry(repository: string): string {
  const [first = ''] = repository.split('/');
  return /[.:]|^localhost$/.test(first) ? repository : `docker.io/${repository}`;
}
