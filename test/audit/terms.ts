// Rules and terms for tests of the audit itself.

import type { AuditTerms } from '../../src/audit/audit.ts';
import type { Cluster } from '../../src/audit/cluster.ts';
import { parseExceptions } from '../../src/audit/exceptions.ts';
import { refToObject, type Rule, type RuleInfo, type Verdict } from '../../src/audit/finding.ts';
import { NO_REMEDIATION, failed, passed, unknown } from '../../src/audit/verdict.ts';

export const NOW = Date.UTC(2026, 5, 15);

export function ruleOf(
  info: Partial<RuleInfo>,
  evaluate: (cluster: Cluster) => Iterable<Verdict> = judgeServices,
): Rule {
  return {
    info: {
      id: 'test-rule',
      title: 'A test',
      severity: 'medium',
      tenets: ['T2'],
      aliases: [],
      atlas: [],
      help: 'Help.',
      subject: 'object',
      check: null,
      ...info,
    },
    evaluate,
  };
}

/** Of every Service: its verdict is its label `verdict`, and what it says its label `detail`. */
export function* judgeServices(cluster: Cluster): Iterable<Verdict> {
  for (const object of cluster.byKind('', 'Service')) {
    const resource = refToObject(object);
    const at = ['spec', 'type'];
    const detail = object.labels.get('detail') ?? 'looked at';
    const severity = object.labels.get('severity');
    const verdict = object.labels.get('verdict');
    if (verdict === 'pass') {
      yield passed(resource, at, detail);
    } else if (verdict === 'fail') {
      const account = { at, detail, evidence: {}, remediation: NO_REMEDIATION };
      yield failed(resource, severity === 'critical' || severity === 'low' ? { ...account, severity } : account);
    } else {
      yield unknown(resource, { at, reason: 'test', detail });
    }
  }
}

export function service(name: string, verdict: string, metadata = ''): string {
  return `
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: ml
  labels: { verdict: ${verdict} }
  ${metadata}
spec: { type: ClusterIP }
`;
}

export function termsOf(terms: Partial<AuditTerms> = {}): AuditTerms {
  return {
    rules: [ruleOf({})],
    context: {
      policy: null,
      options: {
        spiffeIdTemplate: '/ns/{namespace}/sa/{serviceAccount}',
        componentLabel: null,
        meshRootNamespace: 'istio-system',
      },
      nowMs: NOW,
    },
    exceptions: { entries: [] },
    baseline: null,
    ...terms,
  };
}

export function exceptionsOf(text: string): AuditTerms['exceptions'] {
  return parseExceptions(Buffer.from(`version: 1\nexceptions:\n${text === '' ? '  []' : text}`), 'exceptions.yaml');
}
