// A `*.test.yaml` file: requests and what the matrix is expected to answer.

import { isProxiedMethod } from '../http1/method.ts';
import { isCanonicalPath, isCanonicalQuery } from '../http1/request-target.ts';
import { quote } from '../core/quote.ts';
import type { SourcePosition } from '../core/source-position.ts';
import { parseSpiffeId, SpiffeIdError, type SpiffeId } from '../spiffe/spiffe-id.ts';
import { DocumentError, parseYaml, type YamlEntry, type YamlNode } from '../yaml/located.ts';
import { isConnect } from './decide.ts';
import { DECISION_REASONS, VERBS, type DecisionReason, type Effect, type Verb } from './decision.ts';
import {
  collectProblems,
  didYouMean,
  readFilledList,
  readKnownKeys,
  readMapping,
  readText,
  readVersion,
  requireEntry,
  type LocatedText,
  type Report,
} from './fields.ts';
import type { CompiledPolicy } from './matrix.ts';
import { readUpgrade, readVerb } from './rule-document.ts';

export interface Expectation {
  readonly effect: Effect;
  readonly reason: DecisionReason | null;
  readonly verb: Verb | null;
}

export interface PolicyTest {
  readonly position: SourcePosition;
  /** As written: a component or a SPIFFE ID. */
  readonly from: string;
  readonly principal: SpiffeId;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly upgrade: string | null;
  readonly expected: Expectation;
}

const EFFECTS: readonly Effect[] = ['allow', 'deny', 'would-deny'];
const TEST_KEYS = ['name', 'from', 'to', 'expect', 'verb', 'reason', 'requests', 'method', 'path', 'upgrade'];

/**
 * One test for each request. Components are those of `policy`: a `from` that is one of them stands for some workload of it.
 * @throws {DocumentError} with every problem.
 */
export function parsePolicyTests(source: Uint8Array, file: string, policy: CompiledPolicy): readonly PolicyTest[] {
  const root = parseYaml(source, file);
  const { problems, report } = collectProblems();
  const tests: PolicyTest[] = [];
  const mapping = readMapping(root, 'a test file', report);
  if (mapping !== null) {
    const entries = readKnownKeys(mapping, ['version', 'tests'], report);
    readVersion(entries, root, report);
    const list = requireEntry(entries, 'tests', { what: 'a test file', position: root.position, report });
    const nodes = list === null ? null : readFilledList(list.node, '`tests`', report);
    for (const node of nodes ?? []) tests.push(...readTests(node, policy, report));
  }
  if (problems.length > 0) throw new DocumentError(problems);
  return tests;
}

/** A workload of the component: the first of its patterns, with a segment for each wildcard. Null when it has no IDs. */
export function findSampleId(policy: CompiledPolicy, component: string): SpiffeId | null {
  const claim = policy.declarations.get(component)?.ids[0];
  if (claim === undefined) return null;
  const { trustDomain, segments, rest } = claim.pattern;
  const path = [...segments.map((segment) => segment ?? 'any'), ...(rest ? ['any'] : [])];
  return parseSpiffeId(`spiffe://${[trustDomain, ...path].join('/')}`);
}

function readTests(node: YamlNode, policy: CompiledPolicy, report: Report): readonly PolicyTest[] {
  const mapping = readMapping(node, 'a test', report);
  if (mapping === null) return [];
  const entries = readKnownKeys(mapping, TEST_KEYS, report);
  const owner = { what: 'a test', position: mapping.position, report };
  const fromEntry = requireEntry(entries, 'from', owner);
  const toEntry = requireEntry(entries, 'to', owner);
  const nameEntry = entries.get('name');
  if (nameEntry !== undefined) readText(nameEntry.node, '`name`', report);
  const from = fromEntry === null ? null : readText(fromEntry.node, '`from`', report);
  const to = toEntry === null ? null : readText(toEntry.node, '`to`', report);
  const principal = from === null ? null : readPrincipal(from, policy, report);
  const expected = readExpectation(entries, mapping.position, report);
  const requests = readRequests(entries, mapping.position, report);
  const upgradeEntry = entries.get('upgrade');
  const upgradeText = upgradeEntry === undefined ? null : readText(upgradeEntry.node, '`upgrade`', report);
  const upgrade = upgradeText === null ? null : readUpgrade(upgradeText, report);
  if (upgradeText !== null && requests.some(isConnect))
    report('bad-request', 'a TCP connection asks for no upgrade', upgradeText.position);
  if (from === null || principal === null || to === null || expected === null) return [];
  return requests.map(({ position, method, path, query }) => ({
    position,
    from: from.text,
    principal,
    to: to.text,
    method,
    path,
    query,
    upgrade,
    expected,
  }));
}

function readPrincipal(from: LocatedText, policy: CompiledPolicy, report: Report): SpiffeId | null {
  if (!from.text.startsWith('spiffe://')) {
    const sample = findSampleId(policy, from.text);
    if (sample !== null) return sample;
    const known = policy.declarations.has(from.text);
    const why = known ? 'has no SPIFFE IDs' : `is not defined${didYouMean(from.text, policy.components)}`;
    report('unknown-component', `component ${quote(from.text)} ${why}`, from.position);
    return null;
  }
  try {
    return parseSpiffeId(from.text);
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    report('bad-id-pattern', error.message, from.position);
    return null;
  }
}

function readExpectation(
  entries: Map<string, YamlEntry>,
  position: SourcePosition,
  report: Report,
): Expectation | null {
  const effectEntry = requireEntry(entries, 'expect', { what: 'a test', position, report });
  const reasonEntry = entries.get('reason');
  const verbEntry = entries.get('verb');
  const effectText = effectEntry === null ? null : readText(effectEntry.node, '`expect`', report);
  const reasonText = reasonEntry === undefined ? null : readText(reasonEntry.node, '`reason`', report);
  const effect = EFFECTS.find((known) => known === effectText?.text);
  if (effectText !== null && effect === undefined) {
    report(
      'unknown-effect',
      `unknown effect ${quote(effectText.text)}; effects are ${EFFECTS.join(', ')}`,
      effectText.position,
    );
  }
  const reasons = Object.keys(DECISION_REASONS) as DecisionReason[];
  const reason = reasons.find((known) => known === reasonText?.text);
  if (reasonText !== null && reason === undefined) {
    const hint = didYouMean(reasonText.text, reasons) || `; reasons are ${reasons.join(', ')}`;
    report('unknown-reason', `unknown reason ${quote(reasonText.text)}${hint}`, reasonText.position);
  }
  const verb = verbEntry === undefined ? null : readVerb(verbEntry.node, VERBS, report);
  return effect === undefined ? null : { effect, reason: reason ?? null, verb };
}

interface RequestLine {
  readonly position: SourcePosition;
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
}

/** As `toConnect` has them. */
const CONNECT_LINE = { method: '', path: '', query: null };

/** Either `requests`, a list of `METHOD /path?query` or `connect`, or `method` and `path`. */
function readRequests(
  entries: Map<string, YamlEntry>,
  position: SourcePosition,
  report: Report,
): readonly RequestLine[] {
  const owner = { what: 'a test without `requests`', position, report };
  const list = entries.get('requests');
  const lines: LocatedText[] = [];
  if (list === undefined) {
    const methodEntry = requireEntry(entries, 'method', owner);
    const pathEntry = requireEntry(entries, 'path', owner);
    const method = methodEntry === null ? null : readText(methodEntry.node, '`method`', report);
    const path = pathEntry === null ? null : readText(pathEntry.node, '`path`', report);
    if (method !== null && path !== null) lines.push({ text: `${method.text} ${path.text}`, position: path.position });
  } else {
    for (const key of ['method', 'path']) {
      const entry = entries.get(key);
      if (entry !== undefined)
        report('bad-request', `a test has \`requests\` or \`${key}\`, not both`, entry.keyPosition);
    }
    for (const node of readFilledList(list.node, '`requests`', report) ?? []) {
      const line = readText(node, 'a request', report);
      if (line !== null) lines.push(line);
    }
  }
  return lines.flatMap((line) => readRequestLine(line, report));
}

function readRequestLine({ text, position }: LocatedText, report: Report): readonly RequestLine[] {
  if (text === 'connect') return [{ position, ...CONNECT_LINE }];
  const [method = '', target = '', ...others] = text.split(' ');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? null : target.slice(mark + 1);
  if (!/^[A-Z][A-Z-]*$/.test(method) || others.length > 0) {
    report(
      'bad-request',
      `${quote(text)} is not a request; write \`METHOD /path?query\`, or \`connect\` for a TCP connection`,
      position,
    );
    return [];
  }
  if (!isProxiedMethod(method)) {
    report('bad-request', `the proxy answers 501 to ${quote(method)} and asks no policy`, position);
    return [];
  }
  if (!isCanonicalPath(path) || (query !== null && !isCanonicalQuery(query))) {
    report(
      'bad-request',
      `the proxy answers 400 to ${quote(target)} and asks no policy; write a canonical path`,
      position,
    );
    return [];
  }
  return [{ position, method, path, query }];
}
