import { expect, it } from 'vitest';
import { createLogger } from '../../src/telemetry/logger.ts';
import { KeptLines } from './request-record.ts';

it('writes one JSON object a line: level by name, ISO time, fields, message', () => {
  const lines = new KeptLines();
  createLogger({ level: 'info', destination: lines }).info({ bind: '127.0.0.1:8443' }, 'listening');
  expect(lines.parsed).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      log: 'application',
      pid: process.pid,
      bind: '127.0.0.1:8443',
      msg: 'listening',
    },
  ]);
});

it('leaves out what is below its level', () => {
  const lines = new KeptLines();
  const log = createLogger({ level: 'warn', destination: lines });
  log.info('quiet');
  log.warn('loud');
  expect(lines.parsed.map(({ msg }) => msg)).toEqual(['loud']);
});

it('tells an error with its code, its cause and where it came from', () => {
  const lines = new KeptLines();
  const err = Object.assign(new Error('cannot read policy', { cause: new Error('ENOENT') }), { code: 'unreadable' });
  createLogger({ level: 'info', destination: lines }).error({ err }, 'reload failed');
  expect(lines.parsed[0]?.['err']).toMatchObject({ message: 'cannot read policy: ENOENT', code: 'unreadable' });
  expect(JSON.stringify(lines.parsed[0])).toContain('logger.test.ts');
});

it('EX-171 keeps control characters, line separators and other text inside one line of printable ASCII', () => {
  const lines = new KeptLines();
  const peer = 'a\r\n\u001b[31m\u009b\u2028\u202e\u00e9\ud800';
  createLogger({ level: 'info', destination: lines }).info({ peer }, 'handshake refused');
  expect(lines.chunks.join('')).toMatch(/^[ -~]+\n$/);
  expect(lines.parsed[0]?.['peer']).toBe(peer);
});

it('loses lines without throwing when the destination takes none', () => {
  const lines = new KeptLines();
  lines.fails = true;
  expect(() => createLogger({ level: 'info', destination: lines }).info('lost')).not.toThrow();
});
