// `svid inspect` for people: one block a certificate, one line a fact, nothing that could move the cursor.

import { quote } from '../core/quote.ts';
import type { CertificateReport, ChainReport, ReportedName, UnreadableReport } from './svid-report.ts';

const LABEL_WIDTH = 21;

export function formatReport(report: ChainReport): string {
  const count = report.certificates.length;
  const blocks = report.certificates.map((certificate, index) => {
    const heading = `certificate ${index + 1} of ${count}`;
    return certificate.kind === 'certificate'
      ? `${heading}: ${certificate.role}\n${formatLines(factsOf(certificate, report.at, index + 1))}`
      : `${heading}: unreadable\n${formatLines(unreadableFacts(certificate))}`;
  });
  return blocks.join('\n');
}

type Fact = readonly [label: string, value: string];

function formatLines(facts: readonly Fact[]): string {
  return facts.map(([label, value]) => `  ${label.padEnd(LABEL_WIDTH)}${value}\n`).join('');
}

function unreadableFacts({ code, message }: UnreadableReport): readonly Fact[] {
  return [['refused', `${code}: ${message}`]];
}

function factsOf(certificate: CertificateReport, at: string, position: number): readonly Fact[] {
  const { subjectAltName, keyUsage, extendedKeyUsage, basicConstraints, nameConstraints } = certificate;
  return [
    ['SPIFFE ID', certificate.spiffeId ?? '(none)'],
    ['subject', quote(certificate.subject)],
    ['issuer', quote(certificate.issuer)],
    ['signed by', signer(certificate.signedBy, position)],
    ['serial number', certificate.serialNumber],
    ['valid from', certificate.notBefore],
    ['valid until', `${certificate.notAfter} (${distance(at, certificate.notAfter)})`],
    ['public key', certificate.publicKey],
    ['signature', certificate.signatureAlgorithm],
    ['alternative names', subjectAltName ? marked(names(subjectAltName.names), subjectAltName) : '(none)'],
    ['key usage', keyUsage ? marked(keyUsage.bits.join(', '), keyUsage) : '(none)'],
    [
      'extended key usage',
      extendedKeyUsage ? marked(extendedKeyUsage.purposes.join(', '), extendedKeyUsage) : '(none)',
    ],
    ['basic constraints', basicConstraints ? marked(authority(basicConstraints), basicConstraints) : '(none)'],
    ...(nameConstraints ? nameConstraintFacts(nameConstraints) : []),
    ['subject key id', certificate.subjectKeyIdentifier ?? '(none)'],
    ['authority key id', certificate.authorityKeyIdentifier ?? '(none)'],
    ...certificate.otherExtensions.map((other): Fact => ['other extension', marked(other.oid, other)]),
    ['SHA-256', certificate.sha256],
    ['SPKI SHA-256', certificate.spkiSha256],
    ...certificate.refusals.map(({ code, message }): Fact => ['refused', `${code}: ${message}`]),
  ];
}

function nameConstraintFacts(constraints: NonNullable<CertificateReport['nameConstraints']>): readonly Fact[] {
  const facts: Fact[] = [];
  for (const side of ['permitted', 'excluded'] as const) {
    if (constraints[side].length > 0) facts.push([`${side} names`, marked(names(constraints[side]), constraints)]);
  }
  return facts;
}

function signer(signedBy: number | null, position: number): string {
  if (signedBy === null) return 'none of this file';
  return signedBy === position ? 'itself' : `certificate ${signedBy}`;
}

function names(list: readonly ReportedName[]): string {
  if (list.length === 0) return '(none)';
  return list.map(({ form, value }) => (value === null ? form : `${form} ${quote(value)}`)).join(', ');
}

function authority({ isCa, maxPathLength }: { isCa: boolean; maxPathLength: number | null }): string {
  if (!isCa) return 'not a CA';
  return maxPathLength === null ? 'CA' : `CA, path length ${maxPathLength}`;
}

function marked(text: string, { critical }: { critical: boolean }): string {
  return critical ? `${text} (critical)` : text;
}

/** In the largest unit that leaves at least two of it. */
function distance(at: string, until: string): string {
  const seconds = Math.round((Date.parse(until) - Date.parse(at)) / 1000);
  const size = Math.abs(seconds);
  const units = [
    ['days', 86_400],
    ['hours', 3600],
    ['minutes', 60],
  ] as const;
  const [unit, length] = units.find(([, inSeconds]) => size >= 2 * inSeconds) ?? (['seconds', 1] as const);
  const amount = `${Math.floor(size / length)} ${unit}`;
  return seconds > 0 ? `in ${amount}` : `${amount} ago`;
}
