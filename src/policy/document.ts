// A policy file as its author wrote it: shape and spelling are settled here, references between its parts are not.

import { quote } from '../core/quote.ts';
import type { SourcePosition } from '../core/source-position.ts';
import { parseTrustDomain, SpiffeIdError, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { YamlMapping, YamlNode } from '../yaml/located.ts';
import {
  readKnownKeys,
  readList,
  readMapping,
  readText,
  readVersion,
  type LocatedText,
  type Report,
} from './fields.ts';
import { readRule, type RuleDeclaration } from './rule-document.ts';

export interface ComponentDeclaration {
  readonly name: string;
  readonly position: SourcePosition;
  /** Null: the default pattern. */
  readonly ids: readonly LocatedText[] | null;
  /** Null: `generic`. */
  readonly protocol: LocatedText | null;
}

export interface AccessDeclaration {
  readonly component: LocatedText;
  readonly rules: readonly RuleDeclaration[];
}

export interface PolicyDocument {
  readonly file: string;
  /** Null when the file says none, or none that can be used: `statesTrustDomain` tells which. */
  readonly trustDomain: { readonly name: TrustDomain; readonly position: SourcePosition } | null;
  readonly statesTrustDomain: boolean;
  readonly components: readonly ComponentDeclaration[];
  readonly access: readonly AccessDeclaration[];
}

// A component's name is a segment of its default IDs, a metric label and a header value.
const COMPONENT_NAME = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,63}$/;

/** Reads one file; whatever is wrong with it is reported, and left out of the answer. */
export function readPolicyDocument(root: YamlNode, file: string, report: Report): PolicyDocument {
  const empty: PolicyDocument = { file, trustDomain: null, statesTrustDomain: false, components: [], access: [] };
  const mapping = readMapping(root, 'a policy file', report);
  if (mapping === null) return empty;
  const entries = readKnownKeys(mapping, ['version', 'trustDomain', 'components', 'access'], report);
  readVersion(entries, root, report);
  const trustDomain = entries.get('trustDomain');
  const components = entries.get('components');
  const access = entries.get('access');
  return {
    file,
    trustDomain: trustDomain === undefined ? null : readTrustDomain(trustDomain.node, report),
    statesTrustDomain: trustDomain !== undefined,
    components: components === undefined ? [] : readComponents(components.node, report),
    access: access === undefined ? [] : readAccess(access.node, report),
  };
}

function readTrustDomain(node: YamlNode, report: Report): PolicyDocument['trustDomain'] {
  const text = readText(node, '`trustDomain`', report);
  if (text === null) return null;
  try {
    return { name: parseTrustDomain(text.text), position: text.position };
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    report('bad-trust-domain', `${error.message}; write the bare name, like \`ai.example\``, text.position);
    return null;
  }
}

function readComponents(node: YamlNode, report: Report): readonly ComponentDeclaration[] {
  const mapping = readMapping(node, '`components`', report);
  const components: ComponentDeclaration[] = [];
  for (const { key, keyPosition, node: child } of mapping?.entries ?? []) {
    if (!COMPONENT_NAME.test(key)) {
      const rule = 'use 1 to 63 of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`';
      report('bad-component-name', `${quote(key)} cannot be a component's name; ${rule}`, keyPosition);
      continue;
    }
    const body = readMapping(child, `component ${quote(key)}`, report);
    components.push(readComponent({ text: key, position: keyPosition }, body, report));
  }
  return components;
}

function readComponent(name: LocatedText, body: YamlMapping | null, report: Report): ComponentDeclaration {
  const declaration = { name: name.text, position: name.position, ids: null, protocol: null };
  if (body === null) return declaration;
  const entries = readKnownKeys(body, ['ids', 'protocol'], report);
  const ids = entries.get('ids');
  const protocol = entries.get('protocol');
  return {
    ...declaration,
    ids: ids === undefined ? null : readIds(ids.node, report),
    protocol: protocol === undefined ? null : readText(protocol.node, '`protocol`', report),
  };
}

/** `[]` is a component that is a target only. */
function readIds(node: YamlNode, report: Report): readonly LocatedText[] {
  const ids: LocatedText[] = [];
  for (const child of readList(node, '`ids`', report) ?? []) {
    const text = readText(child, 'an ID pattern', report);
    if (text !== null) ids.push(text);
  }
  return ids;
}

function readAccess(node: YamlNode, report: Report): readonly AccessDeclaration[] {
  const mapping = readMapping(node, '`access`', report);
  const access: AccessDeclaration[] = [];
  for (const { key, keyPosition, node: child } of mapping?.entries ?? []) {
    const body = readMapping(child, `the access of ${quote(key)}`, report);
    if (body === null) continue;
    const entries = readKnownKeys(body, ['allow', 'deny'], report);
    const rules: RuleDeclaration[] = [];
    for (const effect of ['allow', 'deny'] as const) {
      const entry = entries.get(effect);
      if (entry === undefined) continue;
      for (const rule of readList(entry.node, `\`${effect}\``, report) ?? []) {
        const declaration = readRule(rule, effect, report);
        if (declaration !== null) rules.push(declaration);
      }
    }
    access.push({ component: { text: key, position: keyPosition }, rules });
  }
  return access;
}
