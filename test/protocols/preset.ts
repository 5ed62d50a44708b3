// Puts one shipped protocol behind a policy, through the real loader and the one decide.

import { readFileSync } from 'node:fs';
import { decide } from '../../src/policy/decide.ts';
import type { Decision, DecisionReason, Verb } from '../../src/policy/decision.ts';
import { loadPolicy, type PolicySource } from '../../src/policy/load.ts';
import type { CompiledPolicy } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';

export const PRESETS = ['generic', 'mlflow', 'oci', 'huggingface', 'openai', 'kserve-v2', 'feast'] as const;

export type Preset = (typeof PRESETS)[number];

/** What a table expects of a request: its verb, or the reason it has none. */
export type Expected = Verb | DecisionReason;

export const SHIPPED = PRESETS.map((name): PolicySource => {
  const file = `policies/protocols/${name}.yaml`;
  return { file, kind: 'shipped-protocol', bytes: readFileSync(new URL(`../../${file}`, import.meta.url)) };
});
const EVERYTHING = '{ target: service, verbs: [read, write, infer, admin] }';
const PEER = parseSpiffeId('spiffe://ai.example/peer/job');

/** A policy in which `peer` has the `allow` rules on `service`, which speaks the protocol; everything, when none are given. */
export function loadPreset(preset: Preset, ...allow: readonly string[]): CompiledPolicy {
  const rules = allow.length === 0 ? [EVERYTHING] : allow;
  const policy = `version: 1
trustDomain: ai.example
components:
  peer: {}
  service: { protocol: ${preset} }
access:
  peer:
    allow:
${rules.map((rule) => `      - ${rule}\n`).join('')}`;
  return loadPolicy([{ file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(policy) }, ...SHIPPED], 'enforce');
}

/** `line` is a method and a request target: `GET /v1/models?x=y`. */
export function decideLine(policy: CompiledPolicy, line: string): Decision {
  const [method = '', target = ''] = line.split(' ');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? null : target.slice(mark + 1);
  return decide(policy, { principal: PEER, target: 'service', method, path, query, upgrade: null });
}

/** The verb of an allowed request, else the reason of the denial. */
export function verbOf(policy: CompiledPolicy, line: string): Expected {
  const { effect, verb, reason } = decideLine(policy, line);
  return effect === 'allow' && verb !== null ? verb : reason;
}

/** One row for each line that is not blank: `read  GET /v2/`. */
export function table(text: string): readonly (readonly [Expected, string])[] {
  const rows: (readonly [Expected, string])[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [expected = '', method = '', target = '', ...others] = line.trim().split(/ +/);
    if (!isExpected(expected) || target === '' || others.length > 0) throw new Error(`not a row: ${line}`);
    rows.push([expected, `${method} ${target}`]);
  }
  return rows;
}

const EXPECTED: ReadonlySet<string> = new Set<Expected>([
  'read',
  'write',
  'infer',
  'admin',
  'unknown-route',
  'ambiguous-query',
  'missing-parameter',
  'unsafe-parameter',
]);

function isExpected(text: string): text is Expected {
  return EXPECTED.has(text);
}
