// Findings that somebody decided to live with, for a reason and until a day.

import { parseRfc3339, Rfc3339Error } from '../core/rfc3339.ts';
import { quote } from '../core/quote.ts';
import type { Problem, SourcePosition } from '../core/source-position.ts';
import { DocumentError, readYaml, withoutEchoes, type YamlMapping, type YamlNode } from '../yaml/located.ts';

export interface Exception {
  /** A rule id, also with `*` in it, or one of a rule's aliases. */
  readonly rule: string;
  /** `namespace/name[Kind]`, each part with `*`; the brackets may be left out, and `name[Kind]` is an object of the cluster. Null for any. */
  readonly resource: string | null;
  readonly namespace: string | null;
  readonly container: string | null;
  /** What it takes out: one for failures says nothing of what nobody could judge. */
  readonly verdict: 'fail' | 'unknown';
  readonly reason: string;
  /** The first instant at which it does not hold. */
  readonly expiresMs: number;
  readonly position: SourcePosition | null;
}

export interface Exceptions {
  readonly entries: readonly Exception[];
}

export const NO_EXCEPTIONS: Exceptions = { entries: [] };

/**
 * `version: 1` and a list `exceptions`, of each `rule`, `reason`, `expires`, and at least one of `resource` and `namespace`; also `container`, and
 * `verdict`, which is `fail` unless it says `unknown`.
 * `expires` is a day (and holds to its end, UTC) or an instant of RFC 3339.
 * @throws {DocumentError} with every problem there is.
 */
export function parseExceptions(source: Uint8Array, file: string): Exceptions {
  const { root, problems } = readYaml(source, file);
  const reader = new ExceptionReader();
  const entries = reader.readDocument(root);
  const all = withoutEchoes([...problems, ...reader.problems]);
  if (all.length > 0) throw new DocumentError(all);
  return { entries };
}

/** A day, to its end in UTC, or an instant; null when it is neither. */
export function parseExpiry(text: string): number | null {
  try {
    return DAY.test(text) ? parseRfc3339(`${text}T00:00:00Z`) + DAY_MS : parseRfc3339(text);
  } catch (error) {
    if (error instanceof Rfc3339Error) return null;
    throw error;
  }
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const DAY_MS = 24 * 60 * 60 * 1000;
const KEYS = ['rule', 'resource', 'namespace', 'container', 'verdict', 'reason', 'expires'] as const;
type Key = (typeof KEYS)[number];

class ExceptionReader {
  readonly problems: Problem[] = [];

  readDocument(root: YamlNode): readonly Exception[] {
    if (root.kind !== 'mapping') return this.#refuse('wrong-type', 'an exceptions file is a mapping', root.position);
    for (const { key, keyPosition } of root.entries) {
      if (key !== 'version' && key !== 'exceptions') {
        this.#refuse('unknown-key', `unknown key ${quote(key)}; known are version, exceptions`, keyPosition);
      }
    }
    const version = entryOf(root, 'version');
    if (version?.kind !== 'scalar' || version.value !== 1) {
      this.#refuse('unsupported-version', '`version` must be 1', version?.position ?? root.position);
    }
    const list = entryOf(root, 'exceptions');
    if (list === undefined) return this.#refuse('missing-key', '`exceptions` is missing', root.position);
    if (list.kind !== 'sequence') return this.#refuse('wrong-type', '`exceptions` must be a list', list.position);
    return list.nodes.flatMap((node) => this.#readEntry(node) ?? []);
  }

  #readEntry(node: YamlNode): Exception | null {
    if (node.kind !== 'mapping') {
      this.#refuse('wrong-type', 'an exception must be a mapping', node.position);
      return null;
    }
    const texts = this.#readTexts(node);
    const [rule, reason, expires] = (['rule', 'reason', 'expires'] as const).map((key) =>
      this.#require(texts, key, node),
    );
    const resource = texts.get('resource')?.text ?? null;
    const namespace = texts.get('namespace')?.text ?? null;
    if (resource === null && namespace === null) {
      this.#refuse('missing-key', 'an exception needs `resource` or `namespace`; `*` stands for all', node.position);
    }
    const expiresMs = expires === undefined ? null : parseExpiry(expires.text);
    if (expires !== undefined && expiresMs === null) {
      const message = `${quote(expires.text)} is neither a day such as \`2026-12-31\` nor an instant`;
      this.#refuse('bad-expiry', message, expires.position);
    }
    const verdict = this.#readVerdict(texts.get('verdict'));
    if (rule === undefined || reason === undefined || expiresMs === null || verdict === null) return null;
    return {
      rule: rule.text,
      resource,
      namespace,
      container: texts.get('container')?.text ?? null,
      verdict,
      reason: reason.text,
      expiresMs,
      position: node.position,
    };
  }

  #readTexts(node: YamlMapping): ReadonlyMap<Key, LocatedText> {
    const texts = new Map<Key, LocatedText>();
    for (const { key, keyPosition, node: value } of node.entries) {
      const known = KEYS.find((name) => name === key);
      if (known === undefined) {
        this.#refuse('unknown-key', `unknown key ${quote(key)}; known are ${KEYS.join(', ')}`, keyPosition);
      } else if (value.kind !== 'scalar' || typeof value.value !== 'string' || value.value.trim() === '') {
        this.#refuse('wrong-type', `\`${known}\` must be a string that says something`, value.position);
        // Not missing, and told once.
        texts.set(known, { text: '', position: value.position });
      } else {
        texts.set(known, { text: value.value, position: value.position });
      }
    }
    return texts;
  }

  #readVerdict(found: LocatedText | undefined): Exception['verdict'] | null {
    if (found === undefined) return 'fail';
    const { text, position } = found;
    if (text === 'fail' || text === 'unknown') return text;
    if (text !== '')
      this.#refuse('wrong-value', `\`verdict\` is \`fail\` or \`unknown\`, not ${quote(text)}`, position);
    return null;
  }

  #require(texts: ReadonlyMap<Key, LocatedText>, key: Key, node: YamlNode): LocatedText | undefined {
    const found = texts.get(key);
    if (found === undefined) this.#refuse('missing-key', `an exception needs \`${key}\``, node.position);
    return found?.text === '' ? undefined : found;
  }

  #refuse(code: string, message: string, position: SourcePosition): [] {
    this.problems.push({ code, message, position });
    return [];
  }
}

interface LocatedText {
  readonly text: string;
  readonly position: SourcePosition;
}

function entryOf(mapping: YamlMapping, key: string): YamlNode | undefined {
  return mapping.entries.find((entry) => entry.key === key)?.node;
}
