// The document that says whose signature counts for which stage, since when, and what nobody may load any more.

import { parseExpiry } from '../audit/exceptions.ts';
import { quote } from '../core/quote.ts';
import type { Problem, SourcePosition } from '../core/source-position.ts';
import {
  DocumentError,
  readYaml,
  withoutEchoes,
  type YamlEntry,
  type YamlMapping,
  type YamlNode,
} from '../yaml/located.ts';
import { type Digest, parseDigest } from './digest.ts';

export interface TrustDocument {
  readonly file: string;
  readonly keys: ReadonlyMap<string, TrustFile>;
  readonly roots: ReadonlyMap<string, TrustFile>;
  readonly stages: ReadonlyMap<string, StageTerms>;
  readonly external: readonly ListedDigest[];
  readonly revoked: readonly ListedDigest[];
}

export interface TrustFile {
  /** Relative to the document. */
  readonly path: string;
  readonly position: SourcePosition;
}

export interface StageTerms {
  readonly signers: readonly SignerTerms[];
  /** Whether a run without it is not whole. */
  readonly isRequired: boolean;
  /** Stages whose outputs it may take; null for any. */
  readonly inputsFrom: readonly string[] | null;
  /** How old a signature may be. */
  readonly signedWithinMs: number | null;
  /** Before that instant there was something that must not come back. */
  readonly signedAfterMs: number | null;
}

export type SignerTerms =
  | { readonly kind: 'key'; readonly key: string }
  /** `identity` is what the certificate names; `*` stands for anything but a slash. */
  | { readonly kind: 'identity'; readonly root: string; readonly identity: string; readonly issuer: string };

export interface ListedDigest {
  readonly digest: Digest;
  readonly reason: string;
}

/** @throws {DocumentError} with every problem there is. */
export function parseTrustDocument(source: Uint8Array, file: string): TrustDocument {
  const { root, problems } = readYaml(source, file);
  const reader = new TrustReader();
  const document = reader.read(root, file);
  const all = withoutEchoes([...problems, ...reader.problems]);
  if (all.length > 0) throw new DocumentError(all);
  return document;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const UNIT_MS: Readonly<Record<string, number>> = { h: DAY_MS / 24, d: DAY_MS };

/** The name of a key or file, an issuer, a digest: what stands there, and where. */
interface LocatedText {
  readonly text: string;
  readonly position: SourcePosition;
}

class TrustReader {
  readonly problems: Problem[] = [];

  read(root: YamlNode, file: string): TrustDocument {
    const top = this.#fields(root, ['version', 'keys', 'roots', 'stages', 'external', 'revoked'], 'a trust document');
    const version = top.get('version');
    if (version?.node.kind !== 'scalar' || version.node.value !== 1) {
      this.#refuse('unsupported-version', '`version` must be 1', version?.node.position ?? root.position);
    }
    const keys = this.#files(top.get('keys')?.node);
    const roots = this.#files(top.get('roots')?.node);
    const stages = new Map<string, StageTerms>();
    const list = top.get('stages')?.node;
    if (list === undefined)
      this.#refuse('missing-key', '`stages` is missing: nobody may sign for anything', root.position);
    for (const { key, node } of this.#entries(list, '`stages`')) stages.set(key, this.#stage(node, keys, roots));
    for (const { inputsFrom } of stages.values()) {
      const unknown = (inputsFrom ?? []).find((name) => !stages.has(name));
      if (unknown !== undefined)
        this.#refuse('unknown-name', `${quote(unknown)} is no stage of this document`, root.position);
    }
    return {
      file,
      keys,
      roots,
      stages,
      external: this.#digests(top.get('external')?.node, '`external`'),
      revoked: this.#digests(top.get('revoked')?.node, '`revoked`'),
    };
  }

  #files(node: YamlNode | undefined): ReadonlyMap<string, TrustFile> {
    const files = new Map<string, TrustFile>();
    for (const { key, node: value } of this.#entries(node, 'this')) {
      const fields = this.#fields(value, ['file'], 'a key or root');
      const path = this.#text(fields, 'file', value);
      if (path !== null) files.set(key, { path: path.text, position: path.position });
    }
    return files;
  }

  #stage(node: YamlNode, keys: ReadonlyMap<string, TrustFile>, roots: ReadonlyMap<string, TrustFile>): StageTerms {
    const fields = this.#fields(node, ['signers', 'required', 'inputsFrom', 'signedWithin', 'signedAfter'], 'a stage');
    const listed = this.#items(fields.get('signers')?.node, '`signers`');
    const signers = listed.flatMap((item) => this.#signer(item, keys, roots) ?? []);
    if (listed.length === 0) {
      const { position } = fields.get('signers')?.node ?? node;
      this.#refuse('missing-key', 'a stage needs at least one of `signers`', position);
    }
    const from = fields.get('inputsFrom')?.node;
    return {
      signers,
      isRequired: this.#isRequired(fields.get('required')?.node),
      inputsFrom:
        from === undefined ? null : this.#items(from, '`inputsFrom`').flatMap((item) => this.#name(item) ?? []),
      signedWithinMs: this.#duration(fields.get('signedWithin')?.node),
      signedAfterMs: this.#instant(fields.get('signedAfter')?.node),
    };
  }

  /** It is, unless the document says that it is not. */
  #isRequired(node: YamlNode | undefined): boolean {
    if (node === undefined) return true;
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
    this.#refuse('wrong-type', '`required` is true or false', node.position);
    return true;
  }

  #signer(
    node: YamlNode,
    keys: ReadonlyMap<string, TrustFile>,
    roots: ReadonlyMap<string, TrustFile>,
  ): SignerTerms | null {
    const fields = this.#fields(node, ['key', 'root', 'identity', 'issuer'], 'a signer');
    if (fields.has('key')) {
      const key = this.#text(fields, 'key', node);
      if (fields.size > 1)
        this.#refuse('contradiction', 'a signer is a `key`, or a `root` with `identity` and `issuer`', node.position);
      if (key !== null && !keys.has(key.text))
        this.#refuse('unknown-name', `${quote(key.text)} is none of \`keys\``, key.position);
      return key === null ? null : { kind: 'key', key: key.text };
    }
    const [root, identity, issuer] = [
      this.#text(fields, 'root', node),
      this.#text(fields, 'identity', node),
      this.#text(fields, 'issuer', node),
    ];
    if (root === null || identity === null || issuer === null) return null;
    if (!roots.has(root.text)) this.#refuse('unknown-name', `${quote(root.text)} is none of \`roots\``, root.position);
    // Whoever can get any certificate of the authority would be let in.
    if (/^[*/]*$/.test(identity.text)) this.#refuse('too-wide', '`identity` must name somebody', identity.position);
    return { kind: 'identity', root: root.text, identity: identity.text, issuer: issuer.text };
  }

  #digests(node: YamlNode | undefined, what: string): readonly ListedDigest[] {
    return this.#items(node, what).flatMap((item) => {
      const fields = this.#fields(item, ['digest', 'reason'], 'an entry');
      const [digest, reason] = [this.#text(fields, 'digest', item), this.#text(fields, 'reason', item)];
      if (digest === null || reason === null) return [];
      const reading = parseDigest(digest.text, null);
      if (reading.kind === 'digest')
        return reading.candidates.map((candidate) => ({ digest: candidate, reason: reason.text }));
      this.#refuse('bad-digest', `${quote(digest.text)} is no digest such as \`sha256:…\``, digest.position);
      return [];
    });
  }

  #duration(node: YamlNode | undefined): number | null {
    if (node === undefined) return null;
    const match = /^([1-9]\d{0,4})([hd])$/.exec(this.#name(node) ?? '');
    const unit = UNIT_MS[match?.[2] ?? ''];
    if (match !== null && unit !== undefined) return Number(match[1]) * unit;
    this.#refuse('bad-duration', 'a duration is so many hours or days: `36h`, `30d`', node.position);
    return null;
  }

  #instant(node: YamlNode | undefined): number | null {
    if (node === undefined) return null;
    const text = this.#name(node) ?? '';
    const end = parseExpiry(text);
    // A day counts from its beginning here.
    if (end !== null) return /^\d{4}-\d\d-\d\d$/.test(text) ? end - DAY_MS : end;
    this.#refuse('bad-instant', '`signedAfter` is a day such as `2026-10-01`, or an instant', node.position);
    return null;
  }

  #fields(node: YamlNode, known: readonly string[], what: string): ReadonlyMap<string, YamlEntry> {
    const fields = new Map<string, YamlEntry>();
    if (node.kind !== 'mapping') {
      this.#refuse('wrong-type', `${what} must be a mapping`, node.position);
      return fields;
    }
    for (const entry of node.entries) {
      if (known.includes(entry.key)) fields.set(entry.key, entry);
      else
        this.#refuse(
          'unknown-key',
          `unknown key ${quote(entry.key)}; known are ${known.join(', ')}`,
          entry.keyPosition,
        );
    }
    return fields;
  }

  #entries(node: YamlNode | undefined, what: string): YamlMapping['entries'] {
    if (node === undefined) return [];
    if (node.kind === 'mapping') return node.entries;
    this.#refuse('wrong-type', `${what} must be a mapping of names`, node.position);
    return [];
  }

  #items(node: YamlNode | undefined, what: string): readonly YamlNode[] {
    if (node === undefined) return [];
    if (node.kind === 'sequence') return node.nodes;
    this.#refuse('wrong-type', `${what} must be a list`, node.position);
    return [];
  }

  #text(fields: ReadonlyMap<string, YamlEntry>, key: string, owner: YamlNode): LocatedText | null {
    const entry = fields.get(key);
    if (entry === undefined) {
      if (owner.kind === 'mapping') this.#refuse('missing-key', `\`${key}\` is missing`, owner.position);
      return null;
    }
    const text = this.#name(entry.node);
    return text === null ? null : { text, position: entry.node.position };
  }

  #name(node: YamlNode): string | null {
    if (node.kind === 'scalar' && typeof node.value === 'string' && node.value !== '') return node.value;
    this.#refuse('wrong-type', 'this must be a string that says something', node.position);
    return null;
  }

  #refuse(code: string, message: string, position: SourcePosition): void {
    this.problems.push({ code, message, position });
  }
}
