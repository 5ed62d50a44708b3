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
          routes: [{ host: null, pathPrefix: null, component: 'registry', upstream: 'http://127.0.0.1:5000' }],
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
