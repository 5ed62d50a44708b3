// Name constraints of a CA against one certificate below it: URIs are evaluated, and a constraint of any other form is never passed over.
// RFC 5280 §4.2.1.10

import { quote } from '../core/quote.ts';
import type { Certificate } from './certificate.ts';
import { ATTRIBUTE, isEmptyName, nameAttributes } from './distinguished-name.ts';
import type { NameConstraints } from './extensions.ts';
import type { GeneralName } from './general-name.ts';

export type NameConstraintViolation =
  /** A name that is excluded, or that no permitted subtree covers. */
  | { readonly kind: 'violated'; readonly message: string }
  /** A constraint that could apply and that this program cannot evaluate. */
  | { readonly kind: 'unsupported'; readonly message: string };

/**
 * Why `certificate` may not be below a CA with `constraints`, or null. Criticality makes no difference: what a CA says about
 * names holds even where it forgot the mark.
 */
export function findNameConstraintViolation(
  constraints: NameConstraints,
  certificate: Certificate,
): NameConstraintViolation | null {
  for (const constraint of [...constraints.permitted, ...constraints.excluded]) {
    const { form } = constraint;
    if (form === 'dns' && !DOMAIN.test(constraint.value)) {
      const message = `the DNS name constraint ${quote(constraint.value)} is not a domain`;
      return { kind: 'unsupported', message };
    }
    if (form !== 'uri' && hasNameOfForm(certificate, form)) {
      const message = `a name constraint of form ${form} on a certificate with such a name is not supported`;
      return { kind: 'unsupported', message };
    }
  }
  const permitted = uriBases(constraints.permitted);
  const excluded = uriBases(constraints.excluded);
  if (permitted.length + excluded.length === 0) return null;
  for (const base of [...permitted, ...excluded]) {
    if (!CONSTRAINT.test(base)) {
      return { kind: 'unsupported', message: `the URI name constraint ${quote(base)} is not a host or a domain` };
    }
  }
  for (const name of certificate.extensions.subjectAltName?.names ?? []) {
    if (name.form !== 'uri') continue;
    const message = findUriViolation(name.value, permitted, excluded);
    if (message !== null) return { kind: 'violated', message };
  }
  return null;
}

// A host, or a domain after a dot. What is neither (`spiffe://td`, a port, nothing at all) would match no host: harmless among
// the permitted, but among the excluded it would look like a fence and be none.
const CONSTRAINT = /^\.?[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
// Labels of anything printable, since none is compared here, or nothing for every name. Also where there is no such name: a constraint that
// nobody can read is no promise of who wrote it.
const DOMAIN = /^\.?(?:[!--/-~]+(?:\.[!--/-~]+)*)?$/;
const URI_HOST = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([A-Za-z0-9._-]+)(?::\d*)?(?:[/?#]|$)/;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

function uriBases(names: readonly GeneralName[]): readonly string[] {
  return names.flatMap((name) => (name.form === 'uri' ? [name.value] : []));
}

function findUriViolation(uri: string, permitted: readonly string[], excluded: readonly string[]): string | null {
  const host = URI_HOST.exec(uri)?.[1];
  // §4.2.1.10: a URI without a host, or whose host is an address, is refused as soon as URIs are constrained at all.
  if (host === undefined || IPV4.test(host)) return `${quote(uri)} has no host name that a name constraint could cover`;
  const exclusion = excluded.find((base) => covers(base, host));
  if (exclusion !== undefined) return `${quote(uri)} is in the excluded subtree ${quote(exclusion)}`;
  if (permitted.length === 0 || permitted.some((base) => covers(base, host))) return null;
  return `${quote(uri)} is in no permitted subtree; permitted are ${permitted.map(quote).join(', ')}`;
}

/** `.example` covers every host below it and not `example` itself; without the dot, that one host. Hosts have no case. */
function covers(base: string, host: string): boolean {
  const wanted = base.toLowerCase();
  const found = host.toLowerCase();
  return wanted.startsWith('.') ? found.length > wanted.length && found.endsWith(wanted) : found === wanted;
}

/** True when a constraint of `form` could apply to something in `certificate`, its subject included. */
function hasNameOfForm(certificate: Certificate, form: GeneralName['form']): boolean {
  if (certificate.extensions.subjectAltName?.names.some((name) => name.form === form) === true) return true;
  switch (form) {
    case 'directory':
      return !isEmptyName(certificate.subject);
    case 'email':
      return hasAttribute(certificate, ATTRIBUTE.emailAddress);
    // A common name is a DNS name to many a reader, OpenSSL among them.
    case 'dns':
      return hasAttribute(certificate, ATTRIBUTE.commonName);
    case 'uri':
    case 'ip':
    case 'other':
    case 'registered-id':
      return false;
  }
}

function hasAttribute(certificate: Certificate, type: string): boolean {
  return nameAttributes(certificate.subject).some((attribute) => attribute.type === type);
}
