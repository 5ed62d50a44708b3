// Trust bundles from PEM and from the Workload API: what belongs in one, and what is said about the rest.

import { describe, expect, it } from 'vitest';
import { PemError } from '../../src/pki/pem.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import {
  parseTrustBundleDer,
  parseTrustBundlePem,
  type TrustBundle,
  TrustBundleError,
} from '../../src/spiffe/trust-bundle.ts';
import {
  basicConstraints,
  issueAuthority,
  issueSvid,
  keyUsage,
  OID,
  pemOf,
  selfSigned,
} from '../support/certificate-builder.ts';

const trustDomain = parseTrustDomain('ai.example');
const [one, two] = [selfSigned({ subject: [['CN', 'one']] }), selfSigned({ subject: [['CN', 'two']] })];

const parse = (pem: string): TrustBundle => parseTrustBundlePem(trustDomain, Buffer.from(pem, 'latin1'), 'bundle.pem');

function refusal(pem: string): string {
  try {
    parse(pem);
  } catch (error) {
    if (error instanceof TrustBundleError || error instanceof PemError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('parseTrustBundlePem', () => {
  it('takes several authorities in the order of the file', () => {
    const bundle = parse(pemOf(two, one));
    expect(bundle.trustDomain).toBe('ai.example');
    expect(bundle.authorities.map(({ sha256 }) => sha256)).toEqual([two.sha256, one.sha256]);
  });

  it('takes an authority once, however often it is listed', () => {
    expect(parse(pemOf(one, two, one, one)).authorities.map(({ sha256 }) => sha256)).toEqual([one.sha256, two.sha256]);
  });

  it('takes an intermediate as an authority by itself', () => {
    expect(parse(issueAuthority(one).pem).authorities).toHaveLength(1);
  });

  it('takes an authority without key usage, and one that has expired', () => {
    const plain = selfSigned({ extensions: (usual) => usual.filter(({ oid }) => oid !== OID.keyUsage) });
    const expired = selfSigned({ notBefore: new Date(0), notAfter: new Date(1000) });
    expect(parse(pemOf(plain, expired)).authorities).toHaveLength(2);
  });

  it('takes text around the certificates, as tools write it', () => {
    expect(
      parse(`# one\nsubject=CN = one\n${one.pem}\n\n# two\r\n${two.pem.replaceAll('\n', '\r\n')}`).authorities,
    ).toHaveLength(2);
  });

  it('CE-48 refuses a bundle without any authority', () => {
    for (const empty of ['', '\n', '# nothing here\n']) expect(refusal(empty)).toMatch(/^empty-bundle bundle\.pem: /);
  });

  it('refuses a certificate that is no CA, and says which', () => {
    const leaf = issueSvid(one, 'spiffe://ai.example/x', { subject: [['CN', 'a leaf']] });
    const line = one.pem.split('\n').length;
    expect(refusal(one.pem + leaf.pem)).toBe(
      `not-an-authority bundle.pem:${line}: \`CN=a leaf\` is not the certificate of a CA`,
    );
    const denied = selfSigned({
      extensions: (usual) => [
        ...usual.filter(({ oid }) => oid !== OID.basicConstraints),
        basicConstraints({ isCa: false }),
      ],
    });
    expect(refusal(denied.pem)).toMatch(/^not-an-authority /);
    expect(refusal(selfSigned({ version: 1, extensions: () => [] }).pem)).toMatch(/^malformed-authority .*version 3/);
  });

  it('refuses a CA that may not sign certificates', () => {
    const mute = selfSigned({
      extensions: (usual) => [...usual.filter(({ oid }) => oid !== OID.keyUsage), keyUsage(['cRLSign'])],
    });
    expect(refusal(mute.pem)).toMatch(/^not-an-authority bundle\.pem:1: .*keyCertSign/);
  });

  it('refuses a private key among the authorities, without showing it', () => {
    const message = refusal(one.pem + one.privateKeyPem);
    expect(message).toMatch(/^unexpected-block bundle\.pem:\d+: a block of kind `PRIVATE KEY`/);
    expect(message).not.toContain(one.privateKeyPem.split('\n')[1]);
  });

  it('refuses a certificate that cannot be read, with its line', () => {
    const broken = `-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n`;
    expect(refusal(`\n${broken}`)).toMatch(/^malformed-authority bundle\.pem:2: /);
  });

  it('refuses a file that was cut while it was written', () => {
    const whole = pemOf(one, two);
    const cuts = [10, one.pem.length + 40, whole.length - 20, whole.length - 2];
    for (const cut of cuts) expect(refusal(whole.slice(0, cut))).toMatch(/^pem-/);
  });
});

describe('parseTrustBundleDer', () => {
  const parseDer = (der: Uint8Array): TrustBundle => parseTrustBundleDer(trustDomain, der, 'bundles[ai.example]');

  function derRefusal(der: Uint8Array): string {
    try {
      parseDer(der);
    } catch (error) {
      if (error instanceof TrustBundleError) return `${error.code} ${error.message}`;
      throw error;
    }
    return 'accepted';
  }

  it('gives what the same certificates in a file give', () => {
    for (const chain of [[one], [two, one], [one, two, one, one], [issueAuthority(one)]]) {
      expect(parseDer(Buffer.concat(chain.map(({ der }) => der)))).toEqual(parse(pemOf(...chain)));
    }
  });

  it('WA-157 refuses an empty bundle', () => {
    expect(derRefusal(Buffer.alloc(0))).toMatch(/^empty-bundle bundles\[ai\.example\]: /);
  });

  it('WA-157 refuses a bundle that is cut anywhere but between two certificates', () => {
    const whole = Buffer.concat([one.der, two.der]);
    for (let length = 1; length < whole.length; length += 1) {
      const expected = length === one.der.length ? /^accepted$/ : /^not-der bundles\[ai\.example\]: /;
      expect(derRefusal(whole.subarray(0, length))).toMatch(expected);
    }
  });

  it('WA-157 refuses bytes behind the last certificate, and PEM', () => {
    for (const trailing of [Buffer.of(0), Buffer.from('\n'), Buffer.of(0x31, 0)]) {
      expect(derRefusal(Buffer.concat([one.der, trailing]))).toMatch(/^not-der bundles\[ai\.example\]: /);
    }
    expect(derRefusal(Buffer.concat([one.der, Buffer.of(0x30, 0)]))).toMatch(
      /^malformed-authority bundles\[ai\.example\]: certificate 2: /,
    );
    expect(derRefusal(Buffer.from(one.pem))).toMatch(/^not-der bundles\[ai\.example\]: PEM text/);
  });

  it('refuses a certificate that is no authority, and says which', () => {
    const leaf = issueSvid(one, 'spiffe://ai.example/x', { subject: [['CN', 'a leaf']] });
    expect(derRefusal(Buffer.concat([one.der, leaf.der]))).toBe(
      'not-an-authority bundles[ai.example]: certificate 2: `CN=a leaf` is not the certificate of a CA',
    );
  });
});
