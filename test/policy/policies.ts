// Policies, principals and requests for tests of the engine, in as few words as possible.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { decide, type AuthzRequest } from '../../src/policy/decide.ts';
import type { Decision } from '../../src/policy/decision.ts';
import { formatProblem } from '../../src/core/source-position.ts';
import { loadPolicy, type PolicySource } from '../../src/policy/load.ts';
import type { CompiledPolicy, PolicyMode } from '../../src/policy/matrix.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { DocumentError } from '../../src/yaml/located.ts';

const ROOT = new URL('../../', import.meta.url);

export function shippedProtocol(name: string): PolicySource {
  const file = `policies/protocols/${name}.yaml`;
  return { file, kind: 'shipped-protocol', bytes: readFileSync(new URL(file, ROOT)) };
}

export const SHIPPED_PROTOCOLS = ['generic', 'mlflow', 'oci', 'huggingface', 'openai', 'kserve-v2', 'feast'].map(
  shippedProtocol,
);

export function shippedMatrix(): string {
  return readFileSync(new URL('policies/ai-platform.yaml', ROOT), 'utf8');
}

export function policySource(text: string, file = 'policy.yaml'): PolicySource {
  return { file, kind: 'policy', bytes: Buffer.from(text) };
}

export function protocolSource(text: string, file: string): PolicySource {
  return { file, kind: 'protocol', bytes: Buffer.from(text) };
}

/** A service with all four verbs and a query: `/read/**`, `/write/**`, …, and the OCI mount's shape under `/mount`. */
export const LAB_PROTOCOL = protocolSource(
  `protocol: lab
routes:
  - { path: "/read/**", methods: [GET, POST], verb: read }
  - { path: "/write{/**,/**/,/}", methods: ["*"], verb: write }
  - { path: "/infer/**", methods: [POST], verb: infer }
  - { path: "/admin/**", methods: ["*"], verb: admin }
  - path: /mount
    methods: [POST]
    query: { from: "*" }
    verb: write
    also: [{ verb: read, path: "/read/{from}" }]
  - { path: /mount, methods: [POST], verb: write }
  - { path: /mode, methods: [GET], query: { kind: full }, verb: write }
  - { path: /mode, methods: [GET], verb: read }
  - path: /copy
    methods: [POST]
    verb: write
    also: [{ verb: read, path: "/read/{from}" }]
`,
  'protocols/lab.yaml',
);

export function load(text: string, mode: PolicyMode = 'enforce'): CompiledPolicy {
  return loadPolicy([policySource(text), LAB_PROTOCOL, ...SHIPPED_PROTOCOLS], mode);
}

/** Components `peer` and `service` (protocol lab), and the access of `peer` as a YAML mapping in flow or block form. */
export function loadAccess(access: string, mode: PolicyMode = 'enforce'): CompiledPolicy {
  const indented = access.trim().replaceAll('\n', '\n    ');
  return load(
    `version: 1
trustDomain: ai.example
components:
  peer: {}
  service: { protocol: lab }
  other: {}
access:
  peer:
    ${indented}
`,
    mode,
  );
}

/** `from` is a SPIFFE ID, or the path of one in ai.example without its slash; `line` is `METHOD /path?query`, or that and a protocol. */
export function requestOf(from: string, target: string, line: string): AuthzRequest {
  const [method = '', asked = '', upgrade = null] = line.split(' ');
  const mark = asked.indexOf('?');
  return {
    principal: parseSpiffeId(from.startsWith('spiffe://') ? from : `spiffe://ai.example/${from}`),
    target,
    method,
    path: mark < 0 ? asked : asked.slice(0, mark),
    query: mark < 0 ? null : asked.slice(mark + 1),
    upgrade,
  };
}

export function ask(policy: CompiledPolicy, from: string, target: string, line: string): Decision {
  return decide(policy, requestOf(from, target, line));
}

/** `effect reason` of what `peer` is answered about `service`. */
export function askService(policy: CompiledPolicy, line: string): string {
  const { effect, reason } = ask(policy, 'peer/job', 'service', line);
  return `${effect} ${reason}`;
}

/** Every problem as `line:column code`, or the list of what was expected to be refused. */
export function problemsOf(...sources: readonly PolicySource[]): readonly string[] {
  return problemMessagesOf(...sources).map((message) =>
    message.replace(/^[^:]*:(\d+:\d+): [^]* \[([a-z0-9-]+)\]$/, '$1 $2'),
  );
}

export function problemMessagesOf(...sources: readonly PolicySource[]): readonly string[] {
  try {
    loadPolicy([...sources, LAB_PROTOCOL, ...SHIPPED_PROTOCOLS], 'enforce');
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    return error instanceof DocumentError ? error.problems.map(formatProblem) : [];
  }
  return [];
}
