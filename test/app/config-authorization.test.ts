// `authorization` of the configuration: what it means, and what is refused with the place where it stands.

import { describe, expect, it } from 'vitest';
import { findPolicyConflicts } from '../../src/app/agreement.ts';
import { toConfigView } from '../../src/app/config-view.ts';
import { ARTICLE_POLICY, compilePolicy } from '../support/proxy-fixture.ts';
import { EXAMPLE, parseText, problemsOf } from './config-example.ts';

/** Stands on line 15. */
const one = (service: string): string => `${EXAMPLE}authorization:\n  - { ${service} }\n`;
const SOUND = 'name: authz, protocol: envoy, bind: "unix:authz.sock", component: registry';

describe('authorization', () => {
  it('has its defaults, and paths from the directory of the file', () => {
    expect(parseText(EXAMPLE).authorization).toEqual([]);
    expect(parseText(one(SOUND)).authorization).toMatchObject([
      {
        name: 'authz',
        protocol: 'envoy',
        bind: { kind: 'unix', path: '/etc/sallyport/authz.sock' },
        openTo: 'owner',
        components: { kind: 'one', component: 'registry' },
        callers: null,
      },
    ]);
  });

  it('is shown as it is', () => {
    const config = parseText(
      one('name: a, protocol: envoy, bind: "0.0.0.0:9191", components: [registry, x], callers: [/gateway/*]'),
    );
    expect(toConfigView(config)).toMatchObject({
      authorization: [
        { name: 'a', bind: '0.0.0.0:9191', openTo: null, components: ['registry', 'x'], callers: ['/gateway/*'] },
      ],
    });
  });

  it('can stand in the place of listeners', () => {
    const without = one(SOUND).replace(/listeners:\n(?: .*\n)+/, 'listeners: []\n');
    expect(parseText(without)).toMatchObject({ listeners: [], authorization: [{ name: 'authz' }] });
    expect(problemsOf(EXAMPLE.replace(/listeners:\n(?: .*\n)+/, 'listeners: []\n'))).toEqual([
      '8:1 out-of-range: the list is empty; it needs at least one entry',
    ]);
    expect(problemsOf(`${without}workers: 2\n`)).toEqual([
      expect.stringContaining('conflict: workers serve listeners, and there is none'),
    ]);
  });

  it('must name components of the policy', () => {
    const config = parseText(one(SOUND.replace('component: registry', 'components: [registry, nobody]')));
    expect(findPolicyConflicts(config, compilePolicy(ARTICLE_POLICY))).toMatchObject([{ code: 'unknown-component' }]);
  });

  it.each<[string, string, string]>([
    ['no component', 'name: a, protocol: envoy, bind: "unix:a"', 'missing-key: `component` is missing'],
    ['both forms of components', `${SOUND}, components: [x]`, 'conflict: a service has either'],
    ['a component twice', 'name: a, protocol: envoy, bind: "unix:a", components: [x, x]', 'repeated-entry'],
    ['another protocol', SOUND.replace('envoy', 'envoi'), 'did you mean `envoy`?'],
    ['TCP without callers', SOUND.replace('unix:authz.sock', '127.0.0.1:9191'), 'missing-key: `callers` is missing'],
    ['callers at a unix socket', `${SOUND}, callers: [/a]`, 'conflict: callers prove who they are only'],
    [
      'callers of HTTP',
      `${SOUND.replace('envoy', 'nginx')}, callers: [/a]`,
      'conflict: callers prove who they are only',
    ],
    [
      'a pattern that is none',
      `${SOUND.replace('unix:authz.sock', '127.0.0.1:9191')}, callers: [gateway]`,
      'bad-id-pattern',
    ],
    [
      'HTTP for everybody',
      SOUND.replace('envoy', 'forward-auth').replace('unix:authz.sock', '0.0.0.0:9191'),
      'exposed-authorization: `forward-auth` proves nothing',
    ],
    [
      'an owner of TCP',
      `${SOUND.replace('envoy', 'nginx').replace('unix:authz.sock', '127.0.0.1:9191')}, openTo: group`,
      'conflict: only a unix socket',
    ],
    [
      'the name of a listener',
      SOUND.replace('authz', 'registry'),
      'duplicate-name: the name `registry` is already that of the listener',
    ],
    [
      'the address of a listener',
      `${SOUND.replace('unix:authz.sock', '127.0.0.1:8443')}, callers: [/a]`,
      'duplicate-bind',
    ],
    ['a path that is too long', SOUND.replace('authz.sock', 'a'.repeat(120)), 'socket-path-too-long'],
    ['a key of listeners', `${SOUND}, upstream: "http://127.0.0.1:1"`, 'unknown-key'],
  ])('refuses %s', (_name, service, problem) => {
    expect(problemsOf(one(service))).toEqual([expect.stringMatching(/^15:/)]);
    expect(problemsOf(one(service))).toEqual([expect.stringContaining(problem)]);
  });

  it('refuses two services at one socket', () => {
    const text = `${one(SOUND)}  - { ${SOUND.replace('authz', 'other').replace('unix:other', 'unix:authz').replace('"unix:authz.sock"', '"unix:./authz.sock"')} }\n`;
    expect(problemsOf(text)).toEqual([expect.stringContaining('duplicate-bind')]);
  });
});
