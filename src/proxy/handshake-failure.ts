// Why a TLS handshake did not come about, as one of a few metric labels.

export type HandshakeFailure =
  | 'timeout'
  | 'peer-closed'
  | 'not-tls'
  | 'version'
  | 'no-shared-cipher'
  | 'no-shared-protocol'
  | 'bad-certificate'
  | 'other';

const FAILURE_OF_CODE = new Map<string, HandshakeFailure>([
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'timeout'],
  ['ECONNRESET', 'peer-closed'],
  ['EPIPE', 'peer-closed'],
  ['ERR_SSL_HTTP_REQUEST', 'not-tls'],
  ['ERR_SSL_HTTPS_PROXY_REQUEST', 'not-tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'not-tls'],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'not-tls'],
  ['ERR_SSL_BAD_RECORD_TYPE', 'not-tls'],
  ['ERR_SSL_RECORD_LAYER_FAILURE', 'not-tls'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'version'],
  ['ERR_SSL_NO_PROTOCOLS_AVAILABLE', 'version'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'version'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'no-shared-cipher'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'no-shared-protocol'],
  ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'no-shared-protocol'],
  ['ERR_SSL_BAD_SIGNATURE', 'bad-certificate'],
  ['ERR_SSL_WRONG_SIGNATURE_TYPE', 'bad-certificate'],
  ['ERR_SSL_CA_KEY_TOO_SMALL', 'bad-certificate'],
  ['ERR_SSL_EE_KEY_TOO_SMALL', 'bad-certificate'],
  ['ERR_SSL_CA_MD_TOO_WEAK', 'bad-certificate'],
]);

export function handshakeFailure(error: Error): HandshakeFailure {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return FAILURE_OF_CODE.get(code) ?? 'other';
}
