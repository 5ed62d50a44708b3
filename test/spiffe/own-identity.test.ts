// Our own SVID and key from files and from the Workload API: everything that must be found before anything is served with them.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { PemError } from '../../src/pki/pem.ts';
import {
  DEVELOPMENT_ORGANIZATION,
  type OwnIdentity,
  OwnIdentityError,
  parseOwnIdentity,
  parseOwnIdentityDer,
} from '../../src/spiffe/own-identity.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';
import {
  type CertificateSpec,
  issueAuthority,
  issueSvid,
  type KeyKind,
  OID,
  pemOf,
  selfSigned,
  type TestCertificate,
  uriName,
} from '../support/certificate-builder.ts';

const ID = 'spiffe://ai.example/registry/main';
const root = selfSigned();
const intermediate = issueAuthority(root);
const leaf = issueSvid(intermediate, ID);

function parse(certificate: string, privateKey: string): OwnIdentity {
  const source = {
    certificate: Buffer.from(certificate),
    certificateFile: 'own.pem',
    privateKey: Buffer.from(privateKey),
    privateKeyFile: 'own.key',
  };
  return parseOwnIdentity(source, parseTrustDomain('ai.example'));
}

function refusal(certificate: string, privateKey: string = leaf.privateKeyPem): OwnIdentityError | PemError {
  try {
    parse(certificate, privateKey);
  } catch (error) {
    if (error instanceof OwnIdentityError || error instanceof PemError) return error;
    throw error;
  }
  throw new Error('the identity was accepted');
}

function exported(certificate: TestCertificate, type: 'sec1' | 'pkcs1' | 'pkcs8'): string {
  const key = createPrivateKey(certificate.privateKeyPem);
  return key.export({ type, format: 'pem' }).toString();
}

describe('parseOwnIdentity', () => {
  it('takes a leaf, its intermediates and its key, and passes on nothing but those', () => {
    const identity = parse(`# registry\n${pemOf(leaf, intermediate)}# end\n`, leaf.privateKeyPem);
    expect(identity).toEqual({
      svid: {
        id: ID,
        trustDomain: 'ai.example',
        leafSha256: leaf.sha256,
        notBeforeMs: expect.any(Number),
        notAfterMs: expect.any(Number),
      },
      certificatePem: pemOf(leaf, intermediate),
      privateKeyPem: leaf.privateKeyPem,
      isDevelopment: false,
    });
  });

  it.each(['P-256', 'P-384', 'RSA-2048', 'Ed25519'] as const satisfies readonly KeyKind[])(
    'takes a key of kind %s',
    (keys) => {
      const own = issueSvid(root, ID, { keys });
      expect(parse(own.pem, own.privateKeyPem).svid.leafSha256).toBe(own.sha256);
    },
  );

  it('takes PKCS #8, SEC 1 with its parameters, and PKCS #1, and gives PKCS #8', () => {
    const rsa = issueSvid(root, ID, { keys: 'RSA-2048' });
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    expect(parse(leaf.pem, parameters + exported(leaf, 'sec1')).privateKeyPem).toBe(leaf.privateKeyPem);
    expect(parse(rsa.pem, exported(rsa, 'pkcs1')).privateKeyPem).toBe(rsa.privateKeyPem);
  });

  it('takes an identity that has expired: whether that matters is for the caller', () => {
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 - 1000);
    const expired = issueSvid(root, ID, { notAfter });
    expect(parse(expired.pem, expired.privateKeyPem).svid.notAfterMs).toBe(notAfter.getTime());
  });

  it('gives the validity of the whole chain', () => {
    const second = Math.floor(Date.now() / 1000) * 1000;
    const short = issueAuthority(root, { notBefore: new Date(second - 5000), notAfter: new Date(second + 5000) });
    const own = issueSvid(short, ID);
    const { svid } = parse(pemOf(own, short), own.privateKeyPem);
    expect([svid.notBeforeMs, svid.notAfterMs]).toEqual([second - 5000, second + 5000]);
  });

  it('takes a root at the end of the chain whose own signature is weak: it proves nothing', () => {
    const top = selfSigned({ keys: 'RSA-2048', hash: 'sha1' });
    const own = issueSvid(top, ID);
    expect(parse(pemOf(own, top), own.privateKeyPem).svid.id).toBe(ID);
    expect(() => createSecureContext({ cert: pemOf(own, top), key: own.privateKeyPem })).not.toThrow();
  });

  it('knows what the development CA issued, by leaf, intermediate or issuer', () => {
    const subject = [['O', DEVELOPMENT_ORGANIZATION]] as const;
    const development = selfSigned({ subject });
    const below = issueAuthority(root, { subject });
    const chains = [[issueSvid(root, ID, { subject })], [issueSvid(development, ID)], [issueSvid(below, ID), below]];
    for (const chain of chains) expect(parse(pemOf(...chain), chain[0]?.privateKeyPem ?? '').isDevelopment).toBe(true);
    const alike = issueSvid(root, ID, {
      subject: [
        ['CN', DEVELOPMENT_ORGANIZATION],
        ['O', `${DEVELOPMENT_ORGANIZATION}!`],
      ],
    });
    expect(parse(alike.pem, alike.privateKeyPem).isDevelopment).toBe(false);
  });
});

describe('parseOwnIdentity refuses', () => {
  it('a key of another certificate', () => {
    const other = issueSvid(root, ID);
    expect(refusal(leaf.pem, other.privateKeyPem)).toMatchObject({
      code: 'identity-key-mismatch',
      message: expect.stringMatching(/^own\.key: .* own\.pem/),
    });
    const rsa = issueSvid(root, ID, { keys: 'RSA-2048' });
    expect(refusal(leaf.pem, rsa.privateKeyPem).code).toBe('identity-key-mismatch');
  });

  it('an ID of another trust domain', () => {
    const other = issueSvid(root, 'spiffe://b.example/registry');
    expect(refusal(other.pem, other.privateKeyPem).code).toBe('identity-trust-domain');
  });

  it.each([
    ['two SPIFFE IDs', { names: [uriName(ID), uriName(`${ID}2`)] }, 'multiple-uri-names'],
    [
      'no SPIFFE ID',
      { names: [], extensions: (usual) => usual.filter(({ oid }) => oid !== OID.subjectAltName) },
      'no-spiffe-id',
    ],
    ['the ID of the trust domain', { names: [uriName('spiffe://ai.example')] }, 'spiffe-id-without-path'],
    ['no key usage', { extensions: (usual) => usual.filter(({ oid }) => oid !== OID.keyUsage) }, 'leaf-key-usage'],
    ['a weak key', { keys: 'RSA-1024' }, 'key-not-accepted'],
  ] as const satisfies readonly (readonly [string, Parameters<typeof issueSvid>[2], string])[])(
    'a leaf with %s',
    (_name, spec, code) => {
      const own = issueSvid(root, ID, spec);
      const error = refusal(own.pem, own.privateKeyPem);
      expect(error.code).toBe('identity-not-svid');
      expect(error.cause).toBeInstanceOf(X509SvidError);
      expect(error.cause).toHaveProperty('code', code);
    },
  );

  it('a CA, which must not authenticate', () => {
    const authority = selfSigned({ names: [uriName(ID)] });
    expect(refusal(authority.pem, authority.privateKeyPem).cause).toHaveProperty('code', 'leaf-is-ca');
  });

  it('certificates that are not the issuers of the leaf in order', () => {
    const upper = issueAuthority(root);
    const lower = issueAuthority(upper);
    const own = issueSvid(lower, ID);
    expect(parse(pemOf(own, lower, upper, root), own.privateKeyPem).certificatePem).toBe(
      pemOf(own, lower, upper, root),
    );
    for (const chain of [
      [own, upper, lower],
      [own, root],
      [own, lower, intermediate],
      [own, own],
      [own, issueSvid(root, ID)],
    ]) {
      expect(refusal(pemOf(...chain), own.privateKeyPem).code).toBe('identity-chain');
    }
  });

  it.each<[name: string, below: (upper: TestCertificate) => CertificateSpec, upper: CertificateSpec]>([
    ['an RSA key of 1024 bits', () => ({ keys: 'RSA-1024' }), {}],
    ['a signature over SHA-1', () => ({ hash: 'sha1' }), { keys: 'RSA-2048' }],
    ['a signature over MD5', () => ({ hash: 'md5' }), { keys: 'RSA-2048' }],
  ])('an intermediate with %s, with which TLS serves nobody', (_name, below, upper) => {
    const top = selfSigned(upper);
    const weak = issueAuthority(top, below(top));
    const own = issueSvid(weak, ID);
    expect(() => createSecureContext({ cert: pemOf(own, weak), key: own.privateKeyPem })).toThrow();
    expect(refusal(pemOf(own, weak), own.privateKeyPem).code).toBe('identity-chain');
  });

  it('an intermediate of the right name with another key', () => {
    const impostor = selfSigned({
      subject: intermediate.subject,
      extensions: (usual) => usual.filter(({ oid }) => oid !== OID.subjectKeyIdentifier),
    });
    expect(refusal(pemOf(leaf, impostor)).code).toBe('identity-chain');
  });

  it('files without what belongs in them', () => {
    expect(refusal('')).toMatchObject({ code: 'identity-certificate', message: expect.stringMatching(/^own\.pem: /) });
    expect(refusal(leaf.privateKeyPem + leaf.pem).code).toBe('identity-certificate');
    expect(refusal('-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n').code).toBe(
      'identity-certificate',
    );
    expect(refusal(leaf.pem, '')).toMatchObject({
      code: 'identity-private-key',
      message: expect.stringMatching(/^own\.key: /),
    });
    expect(refusal(leaf.pem, leaf.pem).code).toBe('identity-private-key');
    expect(refusal(leaf.pem, leaf.privateKeyPem + root.privateKeyPem).code).toBe('identity-private-key');
    expect(refusal(leaf.pem, '-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n').code).toBe(
      'identity-private-key',
    );
  });

  it('an encrypted key, of either kind', () => {
    const key = createPrivateKey(leaf.privateKeyPem);
    const encrypted = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
    expect(refusal(leaf.pem, encrypted)).toMatchObject({
      code: 'identity-private-key',
      message: expect.stringContaining('decrypt it first'),
    });
    const legacy = key.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
    expect(refusal(leaf.pem, legacy).code).toBe('pem-header');
  });

  it('without ever showing a byte of the key', () => {
    const secret = leaf.privateKeyPem.split('\n').slice(1, -2);
    const attempts = [
      leaf.privateKeyPem.replace('A', '!'),
      leaf.privateKeyPem.slice(0, -40),
      leaf.privateKeyPem + leaf.privateKeyPem,
    ];
    for (const attempt of attempts) {
      for (let error: unknown = refusal(leaf.pem, attempt); error instanceof Error; error = error.cause) {
        for (const line of secret) expect(error.message).not.toContain(line);
      }
    }
  });
});

describe('parseOwnIdentityDer', () => {
  const keyOf = (certificate: TestCertificate): Buffer =>
    certificate.keys.privateKey.export({ type: 'pkcs8', format: 'der' });
  const chainOf = (...chain: readonly TestCertificate[]): Buffer => Buffer.concat(chain.map(({ der }) => der));

  function parseDer(chain: Uint8Array, privateKey: Uint8Array): OwnIdentity {
    return parseOwnIdentityDer({ chain, privateKey, origin: 'svids[0]' }, parseTrustDomain('ai.example'));
  }

  function derRefusal(chain: Uint8Array, privateKey: Uint8Array = keyOf(leaf)): string {
    try {
      parseDer(chain, privateKey);
    } catch (error) {
      if (error instanceof OwnIdentityError) return `${error.code} ${error.message}`;
      throw error;
    }
    return 'accepted';
  }

  it('gives what the same identity in files gives', () => {
    const rsa = issueSvid(intermediate, ID, { keys: 'RSA-2048' });
    const ed25519 = issueSvid(intermediate, ID, { keys: 'Ed25519' });
    for (const own of [leaf, rsa, ed25519]) {
      const fromFiles = parse(pemOf(own, intermediate), own.privateKeyPem);
      expect(parseDer(chainOf(own, intermediate), keyOf(own))).toEqual(fromFiles);
    }
  });

  it('does not hold on to the bytes it was given', () => {
    const [chain, key] = [chainOf(leaf), keyOf(leaf)];
    const identity = parseDer(chain, key);
    chain.fill(0);
    key.fill(0);
    expect(identity).toEqual(parse(leaf.pem, leaf.privateKeyPem));
  });

  it('WA-157 refuses a key that is not that of the leaf', () => {
    expect(derRefusal(leaf.der, keyOf(issueSvid(root, ID)))).toBe(
      'identity-key-mismatch svids[0]: the private key is not that of the leaf certificate',
    );
  });

  it('WA-157 refuses PEM instead of DER, certificate or key', () => {
    expect(derRefusal(Buffer.from(leaf.pem))).toMatch(
      /^identity-certificate svids\[0\]: PEM text where DER is expected/,
    );
    expect(derRefusal(leaf.der, Buffer.from(leaf.privateKeyPem))).toMatch(
      /^identity-private-key svids\[0\]: the private key is PEM text/,
    );
  });

  it('WA-157 refuses an encrypted key', () => {
    const encrypted = leaf.keys.privateKey.export({
      type: 'pkcs8',
      format: 'der',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    expect(derRefusal(leaf.der, encrypted)).toBe(
      'identity-private-key svids[0]: the private key is encrypted; it has to come unencrypted',
    );
  });

  it('WA-157 refuses a chain that is cut anywhere, or has anything behind its last certificate', () => {
    const whole = chainOf(leaf, intermediate);
    for (let length = 0; length < whole.length; length += 1) {
      if (length === leaf.der.length) continue;
      expect(derRefusal(whole.subarray(0, length))).toMatch(/^identity-certificate svids\[0\]: /);
    }
    for (const trailing of ['00', '0a', '3000', '0500', '3080']) {
      expect(derRefusal(Buffer.concat([whole, Buffer.from(trailing, 'hex')]))).toMatch(
        /^identity-certificate svids\[0\]: /,
      );
    }
  });

  it('names the certificate that cannot be read', () => {
    const broken = issueAuthority(root, { version: 1, extensions: () => [] });
    expect(derRefusal(chainOf(leaf, broken))).toMatch(/^identity-certificate svids\[0\]: certificate 2: .*version 3/);
  });

  it('WA-157 refuses an empty chain and an empty key', () => {
    expect(derRefusal(Buffer.alloc(0))).toBe('identity-certificate svids[0]: there is no certificate');
    expect(derRefusal(leaf.der, Buffer.alloc(0))).toBe('identity-private-key svids[0]: there is no private key');
  });

  it('refuses a key that is cut, has bytes behind it, or is of another format', () => {
    const key = keyOf(leaf);
    for (let length = 1; length < key.length; length += 1) {
      expect(derRefusal(leaf.der, key.subarray(0, length))).toMatch(/^identity-private-key svids\[0\]: /);
    }
    const rsa = issueSvid(root, ID, { keys: 'RSA-2048' });
    const sec1 = leaf.keys.privateKey.export({ type: 'sec1', format: 'der' });
    const pkcs1 = rsa.keys.privateKey.export({ type: 'pkcs1', format: 'der' });
    expect(derRefusal(leaf.der, sec1)).toMatch(/^identity-private-key .*not PKCS #8/);
    expect(derRefusal(rsa.der, pkcs1)).toMatch(/^identity-private-key .*not PKCS #8/);
    expect(derRefusal(leaf.der, Buffer.concat([key, Buffer.of(0)]))).toMatch(/^identity-private-key .*not PKCS #8/);
    expect(derRefusal(leaf.der, leaf.keys.publicKey.export({ type: 'spki', format: 'der' }))).toMatch(
      /^identity-private-key /,
    );
  });

  it('holds every rule of an identity from files', () => {
    const foreign = issueSvid(root, 'spiffe://b.example/x');
    expect(derRefusal(foreign.der, keyOf(foreign))).toMatch(/^identity-trust-domain svids\[0\]: /);
    expect(derRefusal(chainOf(leaf, root))).toMatch(/^identity-chain svids\[0\]: /);
    const authority = selfSigned({ names: [uriName(ID)] });
    expect(derRefusal(authority.der, keyOf(authority))).toMatch(/^identity-not-svid svids\[0\]: /);
  });
});

describe('own identity beside OpenSSL', () => {
  const hasOpenssl = (() => {
    try {
      execFileSync('openssl', ['version']);
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(!hasOpenssl)('takes what `openssl ecparam -genkey` writes', () => {
    const pem = execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey']).toString();
    const privateKey = createPrivateKey(pem);
    const own = issueSvid(root, ID, { keys: { privateKey, publicKey: createPublicKey(privateKey) } });
    expect(pem).toContain('EC PARAMETERS');
    expect(parse(own.pem, pem).svid.id).toBe(ID);
  });
});
