// Which exception, of a file or of an annotation, a finding falls under.

import type { Cluster } from './cluster.ts';
import { parseExpiry, type Exception, type Exceptions } from './exceptions.ts';
import type { ResourceRef, RuleInfo } from './finding.ts';
import { formatObject, type KubeObject } from './kube-object.ts';
import type { Path } from './path.ts';
import type { CoverageNote, ExceptionReport, ExceptionUse } from './report.ts';

/** Before the rule's id in the name of an annotation; its value is `reason; expires=2026-12-31`. */
export const ANNOTATION_PREFIX = 'sallyport.dev/audit-ignore.';

/** Of an annotation: only for what carries it. */
interface Carrier {
  readonly object: KubeObject;
  /** Of the template that carries it; null when the object does. */
  readonly ref: string | null;
}

/** What may fall under an exception. */
export interface Excepted {
  readonly rule: RuleInfo;
  readonly resource: ResourceRef;
  readonly verdict: 'fail' | 'unknown';
}

interface Entry {
  readonly exception: Exception;
  readonly carrier: Carrier | null;
  readonly matchesResource: (resource: ResourceRef) => boolean;
  findings: number;
}

/** Knows the exceptions of one audit and counts their use. */
export class ExceptionMatcher {
  readonly #entries: Entry[] = [];
  readonly #invalid: CoverageNote[] = [];
  readonly #ofRule = new Map<string, readonly Entry[]>();
  readonly #nowMs: number;

  constructor(exceptions: Exceptions, cluster: Cluster | null, nowMs: number) {
    this.#nowMs = nowMs;
    for (const exception of exceptions.entries) {
      this.#entries.push({ exception, carrier: null, matchesResource: compileResource(exception), findings: 0 });
    }
    if (cluster === null) return;
    // Controllers copy annotations to what they make, of which no finding speaks.
    const silent = new Set([...cluster.folded, ...cluster.finished]);
    for (const object of cluster.objects) {
      if (!silent.has(object))
        this.#readAnnotations(object.annotations, { object, ref: null }, ['metadata', 'annotations']);
    }
    for (const { object, ref, annotations, podPath } of cluster.workloads) {
      // The template of a bare pod is the pod.
      if (podPath.length < 2) continue;
      this.#readAnnotations(annotations, { object, ref }, [...podPath.slice(0, -1), 'metadata', 'annotations']);
    }
  }

  /** The one that holds, or null; an expired one is counted and does not. */
  find({ rule, resource, verdict }: Excepted): Exception | null {
    let found: Exception | null = null;
    for (const entry of this.#entriesOf(rule)) {
      if (entry.exception.verdict !== verdict || !isCarriedBy(entry.carrier, resource)) continue;
      if (!entry.matchesResource(resource)) continue;
      const isExpired = entry.exception.expiresMs <= this.#nowMs;
      if (!isExpired && found !== null) continue;
      entry.findings += 1;
      if (!isExpired) found = entry.exception;
    }
    return found;
  }

  report(): ExceptionReport {
    return { uses: this.#entries.map((entry) => this.#useOf(entry)), invalid: this.#invalid };
  }

  #entriesOf(rule: RuleInfo): readonly Entry[] {
    const known = this.#ofRule.get(rule.id);
    if (known !== undefined) return known;
    const names = [rule.id, ...rule.aliases].map((name) => name.toLowerCase());
    const entries = this.#entries.filter(({ exception }) => names.some(compilePattern(exception.rule.toLowerCase())));
    this.#ofRule.set(rule.id, entries);
    return entries;
  }

  #useOf({ exception, carrier, findings }: Entry): ExceptionUse {
    const { rule, reason, expiresMs, position } = exception;
    const isExpired = expiresMs <= this.#nowMs;
    const used = findings === 0 ? 'unused' : 'applied';
    return {
      rule,
      resource: carrier === null ? describeScope(exception) : (carrier.ref ?? formatObject(carrier.object)),
      reason,
      expiresMs,
      position,
      state: isExpired ? 'expired' : used,
      findings,
    };
  }

  #readAnnotations(annotations: ReadonlyMap<string, string>, carrier: Carrier, path: Path): void {
    for (const [key, text] of annotations) {
      if (!key.startsWith(ANNOTATION_PREFIX)) continue;
      const position = carrier.object.locate([...path, key]);
      const parsed = parseAnnotation(text);
      const rule = key.slice(ANNOTATION_PREFIX.length);
      if (typeof parsed === 'string') {
        this.#invalid.push({
          ref: carrier.ref ?? formatObject(carrier.object),
          detail: `\`${key}\`: ${parsed}`,
          position,
        });
        continue;
      }
      const everywhere = { resource: null, namespace: null, container: null, verdict: 'fail' } as const;
      const exception = { rule, ...everywhere, ...parsed, position };
      this.#entries.push({ exception, carrier, matchesResource: () => true, findings: 0 });
    }
  }
}

/** What is wrong with it, or what it says. */
function parseAnnotation(text: string): string | { readonly reason: string; readonly expiresMs: number } {
  const match = /^(?<reason>.*);\s*expires\s*=\s*(?<expires>\S+)\s*$/su.exec(text);
  const reason = match?.groups?.['reason']?.trim() ?? '';
  const expires = match?.groups?.['expires'] ?? '';
  const expiresMs = parseExpiry(expires);
  if (match === null || expiresMs === null) return 'no expiry; write `reason; expires=2026-12-31`';
  return reason === '' ? 'no reason; write `reason; expires=2026-12-31`' : { reason, expiresMs };
}

function isCarriedBy(carrier: Carrier | null, resource: ResourceRef): boolean {
  if (carrier === null) return true;
  return resource.object === carrier.object && (carrier.ref === null || carrier.ref === resource.ref);
}

function describeScope({ resource, namespace, container }: Exception): string {
  const scope = resource ?? `${namespace ?? '*'}/*`;
  return container === null ? scope : `${scope} container ${container}`;
}

function compileResource(exception: Exception): (resource: ResourceRef) => boolean {
  const { resource, namespace, container } = exception;
  const inNamespace = namespace === null ? null : compilePattern(namespace);
  const ofContainer = container === null ? null : compilePattern(container);
  const isResource = resource === null ? null : compileRef(resource);
  return (target) => {
    const home = target.kind === 'Namespace' ? target.name : (target.namespace ?? '');
    if (inNamespace !== null && !inNamespace(home)) return false;
    if (ofContainer !== null && !ofContainer(target.container ?? '')) return false;
    return isResource === null || isResource(target);
  };
}

function compileRef(pattern: string): (resource: ResourceRef) => boolean {
  const bracket = pattern.endsWith(']') ? pattern.lastIndexOf('[') : -1;
  const place = bracket < 0 ? pattern : pattern.slice(0, bracket);
  const ofKind = compilePattern(bracket < 0 ? '*' : pattern.slice(bracket + 1, -1));
  const slash = place.indexOf('/');
  const inNamespace = slash < 0 ? null : compilePattern(place.slice(0, slash));
  const named = compilePattern(slash < 0 ? place : place.slice(slash + 1));
  return ({ namespace, name, kind, ref }) => {
    const kindAndRole = ref.endsWith(']') ? ref.slice(ref.lastIndexOf('[') + 1, -1) : kind;
    if (!named(name) || !(ofKind(kind) || ofKind(kindAndRole))) return false;
    if (inNamespace === null) return namespace === null || pattern === '*';
    return namespace !== null && inNamespace(namespace);
  };
}

/** `*` stands for any text; everything else for itself. */
function compilePattern(pattern: string): (text: string) => boolean {
  if (!pattern.includes('*')) return (text) => text === pattern;
  const [first = '', ...rest] = pattern.split('*');
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const [index, part] of rest.entries()) {
      if (index === rest.length - 1) return text.length - part.length >= at && text.endsWith(part);
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return true;
  };
}
