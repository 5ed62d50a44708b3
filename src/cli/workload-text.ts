// What an agent handed out, for people; what the agent wrote is quoted wherever it could be anything.

import { quote } from '../core/quote.ts';
import type { Paint } from './paint.ts';
import type {
  JwtBundleFacts,
  JwtSvidFacts,
  Problem,
  WorkloadReport,
  X509BundleFacts,
  X509SvidFacts,
} from './workload-report.ts';

type Row = readonly [label: string, value: string];

const LABEL_WIDTH = 15;

export function formatWorkloadReport(report: WorkloadReport, paint: Paint): string {
  switch (report.kind) {
    case 'x509':
      return joinBlocks([
        ...report.svids.map((svid, index) => formatX509Svid(svid, index, paint)),
        formatBundles('X.509 bundles of other trust domains', report.federatedBundles.map(x509BundleRow), paint),
        formatRevocationLists(report.revocationLists),
      ]);
    case 'jwt':
      return joinBlocks(report.svids.map((svid, index) => formatJwtSvid(svid, index, paint)));
    case 'x509-bundles':
      return joinBlocks([
        formatBundles('X.509 bundles', report.bundles.map(x509BundleRow), paint),
        formatRevocationLists(report.revocationLists),
      ]);
    case 'jwt-bundles':
      return joinBlocks([formatBundles('JWT bundles', report.bundles.map(jwtBundleRow), paint)]);
  }
}

function formatX509Svid(
  { spiffeId, hint, certificate, bundle, problem }: X509SvidFacts,
  index: number,
  paint: Paint,
): string {
  const rows: Row[] = [...hintRows(hint)];
  if (certificate !== null) {
    const { notBefore, notAfter, serialNumber, leafSha256, chainLength } = certificate;
    rows.push(['valid from', notBefore], ['valid until', notAfter], ['serial number', serialNumber]);
    rows.push(['leaf SHA-256', leafSha256], ['path', describePath(chainLength)]);
  }
  rows.push(['bundle', x509BundleRow(bundle).join(': ')], ...problemRows(problem, paint));
  return `${heading(spiffeId, index, paint)}\n${formatRows(rows)}`;
}

function formatJwtSvid({ spiffeId, hint, token, problem }: JwtSvidFacts, index: number, paint: Paint): string {
  const rows: Row[] = [...hintRows(hint)];
  if (token !== null) {
    rows.push(['audiences', token.audiences.map(quote).join(', ')], ['valid until', token.expires]);
    rows.push(['key ID', quote(token.keyId)], ['token ID', token.tokenId === null ? '(none)' : quote(token.tokenId)]);
  }
  rows.push(...problemRows(problem, paint));
  return `${heading(spiffeId, index, paint)}\n${formatRows(rows)}`;
}

function heading(spiffeId: string, index: number, paint: Paint): string {
  return `${paint(quote(spiffeId).slice(1, -1), 'bold')}${index === 0 ? paint('  (default)', 'dim') : ''}`;
}

function hintRows(hint: string): readonly Row[] {
  return hint === '' ? [] : [['hint', quote(hint)]];
}

/** `length` counts the leaf and the authority. */
function describePath(length: number): string {
  const between = length - 2;
  if (between <= 0) return 'leaf, authority';
  return `leaf, ${between} intermediate${between === 1 ? '' : 's'}, authority`;
}

function x509BundleRow({ trustDomain, authorities, problem }: X509BundleFacts): Row {
  const name = quote(trustDomain).slice(1, -1);
  if (problem !== null) return [name, describeProblem(problem)];
  const [first, second] = authorities.map(({ notAfter }) => notAfter).toSorted();
  if (first === undefined) return [name, 'no authority'];
  if (second === undefined) return [name, `1 authority, until ${first}`];
  return [name, `${authorities.length} authorities, the first until ${first}`];
}

function jwtBundleRow({ trustDomain, keyIds, problem }: JwtBundleFacts): Row {
  const name = quote(trustDomain).slice(1, -1);
  if (problem !== null) return [name, describeProblem(problem)];
  return [name, keyIds.length === 0 ? 'no key' : keyIds.map((keyId) => `key ${quote(keyId)}`).join(', ')];
}

function formatBundles(title: string, rows: readonly Row[], paint: Paint): string {
  return rows.length === 0 ? '' : `${paint(title, 'bold')}\n${formatRows(rows)}`;
}

function formatRevocationLists(count: number): string {
  return count === 0 ? '' : `${count} certificate revocation list${count === 1 ? '' : 's'}\n`;
}

function problemRows(problem: Problem | null, paint: Paint): readonly Row[] {
  return problem === null ? [] : [[paint('problem'.padEnd(LABEL_WIDTH), 'red'), describeProblem(problem)]];
}

function describeProblem({ code, message }: Problem): string {
  return `${message} [${code}]`;
}

function formatRows(rows: readonly Row[]): string {
  return rows.map(([label, value]) => `  ${label.padEnd(LABEL_WIDTH)} ${value}\n`).join('');
}

function joinBlocks(blocks: readonly string[]): string {
  return blocks.filter((block) => block !== '').join('\n');
}
