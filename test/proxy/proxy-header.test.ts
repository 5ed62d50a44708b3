import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeProxyHeader, PP2_TYPE_SPIFFE_ID, type ProxiedConnection } from '../../src/proxy/proxy-header.ts';

interface Decoded {
  readonly family: number;
  readonly from: string;
  readonly to: string;
  readonly ports: readonly [number, number];
  readonly tlvs: ReadonlyMap<number, Buffer>;
}

/** A receiver, as §2.2 of the specification describes it. */
function decode(header: Buffer): Decoded {
  expect(header.subarray(0, 12)).toEqual(Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'));
  expect(header[12]).toBe(0x21);
  const family = header[13] ?? 0;
  expect(header.readUInt16BE(14)).toBe(header.length - 16);
  const size = family === 0x11 ? 4 : 16;
  const ports = 16 + 2 * size;
  const tlvs = readTlvs(header.subarray(ports + 4));
  const stated = tlvs.get(0x03)?.readUInt32BE(0);
  const zeroed = Buffer.from(header);
  zeroed.writeUInt32BE(0, zeroed.length - 4);
  expect(stated).toBe(crc32c(zeroed));
  return {
    family,
    from: header.subarray(16, 16 + size).toString('hex'),
    to: header.subarray(16 + size, ports).toString('hex'),
    ports: [header.readUInt16BE(ports), header.readUInt16BE(ports + 2)],
    tlvs,
  };
}

function readTlvs(bytes: Buffer): Map<number, Buffer> {
  const tlvs = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at + 1);
    expect(tlvs.has(bytes[at] ?? 0)).toBe(false);
    tlvs.set(bytes[at] ?? 0, bytes.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return tlvs;
}

/** By division of polynomials, bit after bit: most significant first, reflected on the way in and out. */
function crc32c(bytes: Uint8Array): number {
  const reflect = (value: number, bits: number): number => {
    let reflected = 0;
    for (let bit = 0; bit < bits; bit += 1) if ((value >>> bit) & 1) reflected |= 1 << (bits - 1 - bit);
    return reflected >>> 0;
  };
  let register = 0xffff_ffff;
  for (const byte of bytes) {
    register = (register ^ (reflect(byte, 8) << 24)) >>> 0;
    for (let bit = 0; bit < 8; bit += 1) {
      register = register & 0x8000_0000 ? ((register << 1) ^ 0x1edc_6f41) >>> 0 : (register << 1) >>> 0;
    }
  }
  return (reflect(register, 32) ^ 0xffff_ffff) >>> 0;
}

const CONNECTION: ProxiedConnection = {
  peer: { address: '10.1.2.3', port: 40_000 },
  listener: { address: '10.0.0.1', port: 6380 },
  tlsVersion: 'TLSv1.3',
  spiffeId: 'spiffe://ai.example/training/job',
  decisionId: '0123456789abcdef0123456789abcdef',
};

describe('the PROXY header', () => {
  it('is checked by a checksum that the test knows for certain', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
  });

  it('says who connects to whom, how, and what was decided about it', () => {
    const { family, from, to, ports, tlvs } = decode(encodeProxyHeader(CONNECTION));
    expect({ family, from, to, ports }).toEqual({
      family: 0x11,
      from: '0a010203',
      to: '0a000001',
      ports: [40_000, 6380],
    });
    expect(tlvs.get(PP2_TYPE_SPIFFE_ID)?.toString()).toBe('spiffe://ai.example/training/job');
    expect(tlvs.get(0x05)?.toString()).toBe(CONNECTION.decisionId);
    const tls = tlvs.get(0x20) ?? Buffer.alloc(0);
    expect([tls[0], tls.readUInt32BE(1)]).toEqual([7, 0]);
    expect(readTlvs(tls.subarray(5))).toEqual(new Map([[0x21, Buffer.from('TLSv1.3')]]));
    expect([...tlvs.keys()].sort((a, b) => a - b)).toEqual([0x03, 0x05, 0x20, 0xe5]);
  });

  it.each([
    ['2001:db8::1', '::1', '20010db8000000000000000000000001', '00000000000000000000000000000001', 0x21],
    ['fe80::1%eth0', '::', 'fe800000000000000000000000000001', '00000000000000000000000000000000', 0x21],
    ['1:2:3:4:5:6:7:8', '1::', '00010002000300040005000600070008', '00010000000000000000000000000000', 0x21],
    ['::ffff:10.1.2.3', '::ffff:10.0.0.1', '0a010203', '0a000001', 0x11],
    ['10.1.2.3', '::1', '00000000000000000000ffff0a010203', '00000000000000000000000000000001', 0x21],
    ['::1.2.3.4', '::1', '00000000000000000000000001020304', '00000000000000000000000000000001', 0x21],
  ])('has %s and %s in octets', (peer, listener, from, to, family) => {
    const decoded = decode(
      encodeProxyHeader({ ...CONNECTION, peer: { address: peer, port: 1 }, listener: { address: listener, port: 2 } }),
    );
    expect(decoded).toMatchObject({ from, to, family });
  });

  it.each(['', 'localhost', '10.0.0', '1::2::3', '/run/a.sock'])('is not made for `%s`', (address) => {
    expect(() => encodeProxyHeader({ ...CONNECTION, peer: { address, port: 1 } })).toThrow('not the address');
  });

  it('comes back from a receiver as it was, whatever it says', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    const port = fc.nat(65_535);
    fc.assert(
      fc.property(address, address, port, port, fc.string({ unit: 'binary-ascii', maxLength: 2048 }), (...given) => {
        const [peer, listener, fromPort, toPort, spiffeId] = given;
        const header = encodeProxyHeader({
          ...CONNECTION,
          peer: { address: peer, port: fromPort },
          listener: { address: listener, port: toPort },
          spiffeId,
        });
        const { ports, tlvs, family } = decode(header);
        expect(ports).toEqual([fromPort, toPort]);
        expect(tlvs.get(PP2_TYPE_SPIFFE_ID)?.toString('latin1')).toBe(spiffeId);
        expect(family).toBe(peer.includes(':') || listener.includes(':') ? 0x21 : 0x11);
      }),
      { numRuns: 500 },
    );
  });
});
