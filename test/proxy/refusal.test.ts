import { expect, it } from 'vitest';
import { HTTP1_ERROR_CODES, Http1Error } from '../../src/http1/http1-error.ts';
import { refusalOfCodecStatus, statusOfRefusal } from '../../src/proxy/refusal.ts';

it.each(HTTP1_ERROR_CODES)('tells the peer the status that the codec gave for %s', (code) => {
  const { status } = new Http1Error(code, 'request');
  // What only a response can be is never told of a request.
  if (status === 502) return;
  expect(statusOfRefusal(refusalOfCodecStatus(status))).toBe(status);
});
