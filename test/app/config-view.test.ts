import { describe, expect, it } from 'vitest';
import { toConfigView } from '../../src/app/config-view.ts';
import { changed, EXAMPLE, parseText } from './config-example.ts';

describe('toConfigView', () => {
  it('is JSON that names everything but where the private key is', () => {
    const json = JSON.stringify(toConfigView(parseText(EXAMPLE)));
    expect(JSON.parse(json)).toMatchObject({
      trustDomain: 'ai.example',
      identity: {
        files: {
          certificate: '/etc/sallyport/registry.pem',
          privateKey: '(not shown)',
          trustBundles: { 'ai.example': '/etc/sallyport/bundle.pem' },
        },
      },
      listeners: [
        {
          name: 'registry',
          bind: '127.0.0.1:8443',
          component: 'registry',
          routes: [
            {
              host: null,
              port: null,
              pathPrefix: null,
              component: 'registry',
              upstream: 'http://127.0.0.1:5000',
              serverId: null,
            },
          ],
          limits: { maxConnections: 10_000 },
        },
      ],
      admin: { bind: '127.0.0.1:9901' },
      probes: null,
      drain: { timeoutMs: 30_000 },
    });
    expect(json).not.toContain('registry.key');
  });

  it('names every key of the configuration', () => {
    const { positions: _places, ...config } = parseText(EXAMPLE);
    expect(Object.keys(toConfigView(parseText(EXAMPLE))).toSorted()).toEqual(Object.keys(config).toSorted());
  });

  it('shows where trust, revocation and admission come from, without secrets', () => {
    const text = `${changed('component: registry', 'component: registry\n    authenticate: [x509, jwt]\n    jwt: { audiences: [a], delegations: [{ peer: /a/*, subjects: [/b] }] }')}trust:
  bundles: { b.example: b.json, __proto__: p.json }
  federation:
    c.example: { url: "https://c.example", profile: https_web, ca: ca.pem, maxAge: 1h }
    d.example: { url: "https://d.example", profile: https_spiffe, endpointSpiffeId: "spiffe://b.example/x" }
  endpoint: { bind: "[::]:8444", profile: https_web, certificate: web.pem, privateKey: web.key }
revocation:
  file: list.yaml
  redis: { url: "rediss://redis", username: me, passwordFile: redis.password, ca: ca.pem }
leases: { revoked: drain }
`;
    const json = JSON.stringify(toConfigView(parseText(text)));
    const lease = {
      graceMs: 5_000,
      onLapse: {
        'svid-expired': 'drain',
        'token-expired': 'drain',
        'trust-changed': 'reset',
        revoked: 'drain',
        'policy-changed': 'reset',
        'maximum-age': 'drain',
        'own-svid-withdrawn': 'reset',
      },
    };
    expect(JSON.parse(json)).toMatchObject({
      trust: {
        bundles: JSON.parse('{ "b.example": "/etc/sallyport/b.json", "__proto__": "/etc/sallyport/p.json" }'),
        federation: {
          'c.example': {
            url: 'https://c.example/',
            profile: 'https_web',
            ca: '/etc/sallyport/ca.pem',
            bundle: null,
            maxAgeMs: 3_600_000,
          },
          'd.example': {
            url: 'https://d.example/',
            profile: 'https_spiffe',
            endpointSpiffeId: 'spiffe://b.example/x',
            bundle: null,
            maxAgeMs: null,
          },
        },
        endpoint: {
          bind: '[::]:8444',
          profile: 'https_web',
          certificate: '/etc/sallyport/web.pem',
          privateKey: '(not shown)',
          path: '/',
          refreshHintMs: 300_000,
        },
      },
      revocation: {
        file: '/etc/sallyport/list.yaml',
        redis: {
          url: 'rediss://redis',
          username: 'me',
          passwordFile: '(not shown)',
          ca: '/etc/sallyport/ca.pem',
          key: 'sallyport:revocations',
          startTimeoutMs: 10_000,
          maxAgeMs: null,
        },
      },
      listeners: [
        {
          authenticate: ['x509', 'jwt'],
          jwt: { audiences: ['a'], maxAudiences: 1, delegations: [{ peer: '/a/*', subjects: ['/b'] }] },
          leases: lease,
        },
      ],
      leases: lease,
    });
    expect(json).toContain('"__proto__":"/etc/sallyport/p.json"');
    expect(json).not.toMatch(/web\.key|redis\.password/);
  });

  it('shows a Workload API', () => {
    const fromAgent = (keys: string): object =>
      toConfigView(parseText(EXAMPLE.replace(/identity:[^]*?(?=policy:)/, `identity: { workloadApi: { ${keys} } }\n`)));
    expect(fromAgent('')).toMatchObject({
      identity: { workloadApi: { socket: null, spiffeId: null, hint: null, startTimeoutMs: 30_000 } },
    });
    expect(fromAgent('socket: "unix:/run/a.sock", spiffeId: /a')).toMatchObject({
      identity: { workloadApi: { socket: 'unix:///run/a.sock', spiffeId: 'spiffe://ai.example/a' } },
    });
  });

  it('shows addresses as the file spells them', () => {
    const text = changed('http://127.0.0.1:5000', 'unix:app.sock').replace('127.0.0.1:9901', '"[::1]:9901"');
    expect(toConfigView(parseText(`${text}probes: { bind: "0.0.0.0:9902" }\n`))).toMatchObject({
      listeners: [{ routes: [{ upstream: 'unix:/etc/sallyport/app.sock' }] }],
      admin: { bind: '[::1]:9901' },
      probes: { bind: '0.0.0.0:9902' },
    });
    expect(toConfigView(parseText(changed('127.0.0.1:9901', 'none')))).toMatchObject({ admin: null });
  });

  it('ID-20 shows a trust domain named `__proto__`', () => {
    const config = parseText(changed('{ ai.example: bundle.pem }', '{ ai.example: a.pem, __proto__: b.pem }'));
    expect(JSON.stringify(toConfigView(config))).toContain('"__proto__":"/etc/sallyport/b.pem"');
  });
});
