// The weakest TLS this program speaks: at least 1.2, and only suites with forward secrecy and authenticated encryption.
// RFC 9325 §4.2; within what Mozilla calls intermediate compatibility, which SPIFFE_Federation.md §5 asks of bundle endpoints

const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** For a secure context of either side. */
export const TLS_FLOOR: { readonly minVersion: 'TLSv1.2'; readonly ciphers: string } = {
  minVersion: 'TLSv1.2',
  ciphers: CIPHERS,
};
