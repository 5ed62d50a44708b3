// Identity and trust as a person reads them in a terminal: who we are, for how long, whom we trust, who is revoked.

import type { RevocationReport, SourceReport, TrustDomainReport, TrustReport } from './trust-report.ts';

export function formatIdentity({ svid, source, trustDomains, revocation }: TrustReport): string {
  const lines = [
    ...(svid === null
      ? ['no SVID: nothing is served']
      : [
          svid.spiffeId + (svid.isDevelopment ? '  (development CA)' : ''),
          `  valid until  ${svid.notAfter}, ${formatLeft(svid.secondsLeft)}`,
          `  leaf sha256  ${svid.sha256}`,
        ]),
    `  from         ${formatSource(source)}`,
    ...formatJwtBundles(source),
    '',
    'trust domains',
    ...trustDomains.flatMap(formatTrustDomain),
    '',
    'revocation',
    ...(revocation.length === 0 ? ['  no list'] : revocation.map(formatRevocation)),
  ];
  return `${lines.join('\n')}\n`;
}

function formatSource(source: SourceReport): string {
  const parts: string[] = [source.kind === 'files' ? 'files' : 'Workload API', source.state];
  if (source.lastMessageAgeSeconds !== null) parts.push(`last message ${formatAge(source.lastMessageAgeSeconds)} ago`);
  if (source.reason !== null) parts.push(source.reason);
  if (source.nextAttemptSeconds !== null) parts.push(`next attempt in ${formatAge(source.nextAttemptSeconds)}`);
  if (source.discardedMessages > 0)
    parts.push(count(source.discardedMessages, 'message discarded', 'messages discarded'));
  return parts.join(', ');
}

/** Nothing to say while they are as they should be. */
function formatJwtBundles({ jwtBundles }: SourceReport): readonly string[] {
  if (jwtBundles === null || jwtBundles.state === 'current') return [];
  return [`    ! JWT bundles ${jwtBundles.state}${jwtBundles.reason === null ? '' : `: ${jwtBundles.reason}`}`];
}

function formatTrustDomain(domain: TrustDomainReport): readonly string[] {
  const { trustDomain, isOwn, origin, x509Authorities, jwtKeyIds, sequence, ageSeconds, problem } = domain;
  const authorities = count(x509Authorities.length, 'X.509 authority', 'X.509 authorities');
  const parts = [authorities, count(jwtKeyIds.length, 'JWT key', 'JWT keys'), `from ${origin}`];
  if (sequence !== null) parts.push(`sequence ${sequence}`);
  if (ageSeconds !== null) {
    parts.push(origin === 'file' ? `loaded ${formatAge(ageSeconds)} ago` : `${formatAge(ageSeconds)} old`);
  }
  return [
    `  ${trustDomain}${isOwn ? ' (own)' : ''}: ${parts.join(', ')}`,
    ...(problem === null ? [] : [`    ! ${problem}`]),
  ];
}

function formatRevocation({ list, entries, isCurrent, ageSeconds, problem }: RevocationReport): string {
  const name = { file: 'file', redis: 'Redis', crl: 'CRLs' }[list];
  const age = ageSeconds === null ? '' : `, ${list === 'file' ? 'loaded' : 'read'} ${formatAge(ageSeconds)} ago`;
  const state = isCurrent ? '' : ', not current: the last known list holds';
  return `  ${name}: ${count(entries, 'entry', 'entries')}${age}${state}${problem === null ? '' : ` (${problem})`}`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function formatLeft(seconds: number): string {
  return seconds >= 0 ? `${formatAge(seconds)} left` : `expired ${formatAge(-seconds)} ago`;
}

function formatAge(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
