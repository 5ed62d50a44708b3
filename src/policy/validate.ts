// What must hold between the parts of a policy: every name is defined, once, and no ID has two owners.

import { quote } from '../core/quote.ts';
import { formatPosition, type SourcePosition } from '../core/source-position.ts';
import { type IdPattern, IdPatternError, parseIdPattern } from '../spiffe/id-pattern.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { ComponentDeclaration, PolicyDocument } from './document.ts';
import { didYouMean, type LocatedText, type Report } from './fields.ts';
import { addIdPattern, createIdTable } from './id-table.ts';
import type { ProtocolDocument } from './protocol-document.ts';
import type { RuleDeclaration } from './rule-document.ts';

export const DEFAULT_PROTOCOL = 'generic';

export interface ValidComponent {
  readonly name: string;
  readonly position: SourcePosition;
  readonly ids: readonly IdClaim[];
  readonly protocol: string;
  readonly rules: readonly RuleDeclaration[];
}

/** A pattern by which a component claims SPIFFE IDs. */
export interface IdClaim {
  readonly component: string;
  readonly pattern: IdPattern;
  readonly position: SourcePosition;
}

export interface ValidPolicy {
  readonly trustDomain: TrustDomain;
  readonly components: readonly ValidComponent[];
  readonly protocols: ReadonlyMap<string, ProtocolDocument>;
}

/** Merges the files of one policy; null when there is no trust domain to go on with. Problems are reported. */
export function validatePolicy(
  documents: readonly PolicyDocument[],
  protocolDocuments: readonly ProtocolDocument[],
  report: Report,
): ValidPolicy | null {
  const trustDomain = mergeTrustDomains(documents, report);
  const protocols = mergeProtocols(protocolDocuments, report);
  const declarations = mergeComponents(documents, report);
  const rules = mergeAccess(documents, declarations, report);
  for (const { protocol, position } of declarations.values()) {
    const name = protocol ?? { text: DEFAULT_PROTOCOL, position };
    checkDefined(name, { what: 'protocol', code: 'unknown-protocol', known: protocols }, report);
  }
  // Without a trust domain IDs are still looked through, so that everything is reported at once.
  const own = trustDomain ?? parseTrustDomain('unknown');
  const components = [...declarations.values()].map((declaration) => ({
    name: declaration.name,
    position: declaration.position,
    ids: readIds(declaration, own, report),
    protocol: declaration.protocol?.text ?? DEFAULT_PROTOCOL,
    rules: rules.get(declaration.name) ?? [],
  }));
  checkClaims(
    components.flatMap(({ ids }) => ids),
    report,
  );
  return trustDomain === null ? null : { trustDomain, components, protocols };
}

function mergeTrustDomains(documents: readonly PolicyDocument[], report: Report): TrustDomain | null {
  let first: PolicyDocument['trustDomain'] = null;
  for (const { trustDomain } of documents) {
    first ??= trustDomain;
    if (trustDomain === null || first === null || trustDomain.name === first.name) continue;
    const message = `trust domain ${quote(trustDomain.name)} differs from ${quote(first.name)} at ${formatPosition(first.position)}; one policy has one`;
    report('trust-domain-conflict', message, trustDomain.position);
  }
  const [document] = documents;
  if (document !== undefined && !documents.some(({ statesTrustDomain }) => statesTrustDomain)) {
    const position = { file: document.file, line: 1, column: 1 };
    report('missing-key', '`trustDomain` is missing; write `trustDomain: <name>`', position);
  }
  return first?.name ?? null;
}

function mergeProtocols(documents: readonly ProtocolDocument[], report: Report): Map<string, ProtocolDocument> {
  const protocols = new Map<string, ProtocolDocument>();
  for (const document of documents) {
    const { text, position } = document.name;
    const earlier = protocols.get(text);
    if (earlier === undefined) protocols.set(text, document);
    else reportTwice('duplicate-protocol', `protocol ${quote(text)}`, [earlier.name.position, position], report);
  }
  return protocols;
}

function mergeComponents(documents: readonly PolicyDocument[], report: Report): Map<string, ComponentDeclaration> {
  const components = new Map<string, ComponentDeclaration>();
  for (const component of documents.flatMap((document) => document.components)) {
    const { name, position } = component;
    const earlier = components.get(name);
    if (earlier === undefined) components.set(name, component);
    else reportTwice('duplicate-component', `component ${quote(name)}`, [earlier.position, position], report);
  }
  return components;
}

function mergeAccess(
  documents: readonly PolicyDocument[],
  components: ReadonlyMap<string, unknown>,
  report: Report,
): Map<string, readonly RuleDeclaration[]> {
  const known = { what: 'component', code: 'unknown-component', known: components } as const;
  const seen = new Map<string, SourcePosition>();
  const access = new Map<string, readonly RuleDeclaration[]>();
  for (const { component, rules } of documents.flatMap((document) => document.access)) {
    checkDefined(component, known, report);
    for (const { target } of rules) checkDefined(target, known, report);
    checkDuplicateRules(rules, report);
    const earlier = seen.get(component.text);
    if (earlier === undefined) {
      seen.set(component.text, component.position);
      access.set(component.text, rules);
    } else {
      reportTwice('duplicate-access', `the access of ${quote(component.text)}`, [earlier, component.position], report);
    }
  }
  return access;
}

function checkDuplicateRules(rules: readonly RuleDeclaration[], report: Report): void {
  const seen = new Map<string, SourcePosition>();
  for (const { effect, target, verbs, methods, paths, upgrades, position } of rules) {
    const key = JSON.stringify([
      effect,
      target.text,
      verbs,
      methods?.toSorted(),
      paths?.map(({ text }) => text).sort(),
      upgrades?.toSorted(),
    ]);
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, position);
    else reportTwice('duplicate-rule', `this rule for ${quote(target.text)}`, [earlier, position], report);
  }
}

function readIds(declaration: ComponentDeclaration, own: TrustDomain, report: Report): readonly IdClaim[] {
  const { name: component, position } = declaration;
  if (declaration.ids === null) return [{ component, pattern: defaultIdPattern(component, own), position }];
  const claims: IdClaim[] = [];
  for (const { text, position } of declaration.ids) {
    try {
      claims.push({ component, pattern: parseIdPattern(text, own), position });
    } catch (error) {
      if (!(error instanceof IdPatternError)) throw error;
      report('bad-id-pattern', error.message, position);
    }
  }
  return claims;
}

/** No SPIFFE ID may belong to two components: what it may do would depend on the order of the file. */
function checkClaims(claims: readonly IdClaim[], report: Report): void {
  const table = createIdTable<IdClaim>();
  for (const claim of claims) {
    const rival = addIdPattern(table, claim.pattern, claim);
    if (rival === null) continue;
    const other = `${quote(rival.pattern.text)} of ${quote(rival.component)} at ${formatPosition(rival.position)}`;
    const message = `component ${quote(claim.component)} claims ${quote(claim.pattern.text)}, which shares SPIFFE IDs with ${other}`;
    report('overlapping-ids', message, claim.position);
  }
}

interface Definitions {
  readonly what: string;
  readonly code: 'unknown-component' | 'unknown-protocol';
  readonly known: ReadonlyMap<string, unknown>;
}

function checkDefined(name: LocatedText, definitions: Definitions, report: Report): void {
  if (definitions.known.has(name.text)) return;
  const hint = didYouMean(name.text, definitions.known.keys());
  report(definitions.code, `${definitions.what} ${quote(name.text)} is not defined${hint}`, name.position);
}

function reportTwice(
  code: 'duplicate-protocol' | 'duplicate-component' | 'duplicate-access' | 'duplicate-rule',
  what: string,
  [earlier, later]: readonly [SourcePosition, SourcePosition],
  report: Report,
): void {
  report(code, `${what} is already defined at ${formatPosition(earlier)}; keep one`, later);
}

/** What a component without `ids` has: every ID below its name. */
function defaultIdPattern(component: string, trustDomain: TrustDomain): IdPattern {
  return { text: `spiffe://${trustDomain}/${component}/**`, trustDomain, segments: [component], rest: true };
}
