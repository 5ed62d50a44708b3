// Reports for tests of the formats: one of everything, and one of objects whose author means harm.

import { runAudit } from '../../../src/audit/audit.ts';
import { refToObject, type Rule } from '../../../src/audit/finding.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { failed } from '../../../src/audit/verdict.ts';
import { inventoryOf, objectOf, objectsOf } from '../inventory.ts';
import { exceptionsOf, ruleOf, service, termsOf } from '../terms.ts';

export const CLEAN: AuditReport = runAudit(inventoryOf(objectsOf(service('good', 'pass'))), termsOf());

const MIXED_TEXT = ['good pass', 'bad fail', 'worse fail', 'accepted fail', 'dark unknown']
  .map((line) => {
    const [name = '', verdict = ''] = line.split(' ');
    return name === 'worse' ? service(name, `${verdict}, severity: critical`) : service(name, verdict);
  })
  .join('---');

/** One passed, two failed (one critical), one excepted, one unknown, and one file that could not be read. */
export const MIXED: AuditReport = runAudit(
  inventoryOf(objectsOf(MIXED_TEXT, 'manifests/my services.yaml'), {
    unreadable: [
      {
        what: 'broken.yaml',
        kind: null,
        namespace: null,
        reason: 'malformed',
        detail: 'no mapping',
        position: { file: 'broken.yaml', line: 3, column: 7 },
      },
    ],
  }),
  termsOf({
    rules: [ruleOf({ check: 'external-access', aliases: ['C-0001'], help: 'What `it` is.\n\nAnd why.' })],
    exceptions: exceptionsOf(
      '  - { rule: test-rule, resource: "ml/accepted[Service]", reason: known, expires: 2026-12-31 }\n' +
        '  - { rule: test-rule, resource: "ml/gone[Service]", reason: known, expires: 2026-12-31 }',
    ),
  }),
);

export const HOSTILE_NAME = '=cmd|"\u001B[2J\u202E</script><img src=x onerror=alert(1)>&\u0000\uD800';
export const HOSTILE_DETAIL = '+1\u001B]8;;x\u0007,"quoted"\r\nsecond line; \u2066]]>--></style>';

const HOSTILE_RULE: Rule = ruleOf({}, function* (cluster) {
  for (const object of cluster.objects) {
    yield failed(refToObject(object), {
      at: ['spec'],
      detail: HOSTILE_DETAIL,
      evidence: { [HOSTILE_NAME]: HOSTILE_DETAIL },
      remediation: {
        text: HOSTILE_DETAIL,
        patch: [{ op: 'add', path: '/spec/x', value: { a: [HOSTILE_NAME, {}, [], null, 1, { b: true }] } }],
        manifest: 'kind: </pre><script>alert(1)</script>\n',
      },
    });
  }
});

export const HOSTILE: AuditReport = runAudit(
  inventoryOf([
    objectOf({ apiVersion: 'v1', kind: 'Service', metadata: { name: HOSTILE_NAME, namespace: HOSTILE_NAME } }, () => ({
      file: '/root/dir/=\u202E\uD800 a.yaml',
      line: 2,
      column: 1,
    })),
  ]),
  termsOf({ rules: [HOSTILE_RULE] }),
);
