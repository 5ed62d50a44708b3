// What a name says about the value that stands under it.

/**
 * `password`, `secret`, `token`, `api-key`: the value is one. `key-id`: the public half of a pair, that is a credential only as a well-known
 * default. `vague`: it may be one, when it looks it. `reference`: it says where one is, or something about one. `other`: nothing.
 */
export type NameMeaning = 'password' | 'secret' | 'token' | 'api-key' | 'key-id' | 'vague' | 'reference' | 'other';

export interface NameReading {
  readonly meaning: NameMeaning;
  /** Lower case. */
  readonly words: readonly string[];
  /** Of a reference: the word that makes it one. */
  readonly suffix: string | null;
}

const MAX_NAME = 256;

export function readName(name: string): NameReading {
  const words = wordsOf(name.slice(-MAX_NAME));
  const reading = (meaning: NameMeaning, suffix: string | null = null): NameReading => ({ meaning, words, suffix });
  const core = withoutTail(words.map(withoutNumber));
  const last = core.at(-1);
  if (last === undefined || !core.some((word) => CREDENTIAL_WORDS.has(word))) return reading('other');
  if (meaningOf(core) === 'key-id') return reading('key-id');
  if (REFERENCE_WORDS.has(last)) return reading(isAboutCredential(core) ? 'reference' : 'other', last);
  if (core.some((word) => FLAG_WORDS.has(word))) return reading('reference', 'flag');
  if (isKeyOfSecret(core)) return reading('reference', 'key');
  const meaning = meaningOf(core);
  if (meaning === 'token' && core.some((word) => VOCABULARY_WORDS.has(word))) return reading('other');
  if (meaning === 'secret' && REFERRING_WORDS.has(core.at(-2) ?? '')) return reading('reference', 'secret');
  return reading(meaning);
}

/** `HF_TOKEN`, `clientSecret`, `APIKey`, `--api-key`: hf token, client secret, api key. */
function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

const PASSWORD_WORDS = new Set([
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'passcode',
  'pgpassword',
  'requirepass',
  'masterauth',
  'passwords',
  'sshpass',
]);
const TOKEN_WORDS = new Set(['token', 'pat', 'jwt', 'bearer', 'accesstoken', 'authtoken']);
const SECRET_WORDS = new Set(['secret', 'clientsecret', 'secretkey', 'appsecret']);
const API_KEY_WORDS = new Set(['apikey', 'apikeys', 'accesskey', 'authkey', 'apitoken']);
const VAGUE_WORDS = new Set([
  'key',
  'keys',
  'pass',
  'auth',
  'credential',
  'credentials',
  'creds',
  'cookie',
  'dsn',
  'sas',
]);
const CREDENTIAL_WORDS = new Set([
  ...PASSWORD_WORDS,
  ...TOKEN_WORDS,
  ...SECRET_WORDS,
  ...API_KEY_WORDS,
  ...VAGUE_WORDS,
  'secrets',
  'tokens',
]);

/** A name that ends so says where a credential is, or what about it, and not which. */
const REFERENCE_WORDS = new Set(
  `name names path paths file files filename dir dirs directory folder mount mountpath volume url urls uri endpoint host hosts hostname server
  addr address port ref refs reference id ids uid type kind ttl interval expiry expiration expires expire seconds secs minutes hours days
  duration timeout lifetime age period enabled disabled required length len size limit count max min num number header headers prefix suffix
  audience audiences aud issuer namespace namespaces field property version format algorithm alg mode method methods provider policy manager
  store service class label selector annotation hash digest checksum sha256 sha512 md5 salt fingerprint arn region bucket template pattern
  regex rotation encoding charset hint help description user username users email group role scope scopes claim claims schema strategy
  backend driver engine status state source target location locations var env variable item items list cert certificate crt ca pub public
  tokenizer tokenizers model models config configuration options opts args enabled generator secrets tokens only set separator delimiter`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** `MYSQL_ALLOW_EMPTY_PASSWORD`, `RAY_ENABLE_K8S_TOKEN_AUTH`, `ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID`. */
const FLAG_WORDS = new Set(
  `enable enabled disable disabled allow allows use uses using require required skip is has should ignore verify validate filtering rotate
  refresh create generate random randomize auto needs without with max min num per show hide print mask redact by`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** Which secret, not what is in it: `existingSecret`, `imagePullSecret`. */
const REFERRING_WORDS = new Set([
  'existing',
  'pull',
  'tls',
  'k8s',
  'kubernetes',
  'cert',
  'certificate',
  'ca',
  'serving',
]);

/** Tokens of a language model. */
const VOCABULARY_WORDS = new Set(
  `pad eos bos unk sep cls mask stop special image begin end start next prompt completion text vocab word input output think thinking tool
  reasoning added fim eot delimiter separator request change action page continuation idempotency sync cancellation injection`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** What may follow without changing what a name says: `PASSWORD_2`, `API_KEY_PROD`. */
const TAIL_WORDS = new Set(
  'value values plain plaintext base64 b64 prod production dev development staging test default old new current primary secondary raw string'.split(
    ' ',
  ),
);

function withoutTail(words: readonly string[]): readonly string[] {
  let end = words.length;
  while (end > 1 && isTail(words[end - 1] ?? '')) end -= 1;
  return words.slice(0, end);
}

/** `password2` is another password. */
function withoutNumber(word: string): string {
  const bare = word.replace(/[0-9]{1,3}$/, '');
  return CREDENTIAL_WORDS.has(bare) ? bare : word;
}

function isTail(word: string): boolean {
  return TAIL_WORDS.has(word) || /^v?[0-9]+$/.test(word);
}

/** `KF_PIPELINES_SA_TOKEN_PATH` is; `CACHE_KEY_PREFIX` is about no credential. */
function isAboutCredential(words: readonly string[]): boolean {
  return meaningOf(words.slice(0, -1)) !== 'other' || words.some((word) => CREDENTIAL_WORDS.has(word));
}

/** `passwordKey`, `tokenKey`: under which key of a Secret it stands. `SECRET_KEY` is a key that is secret. */
function isKeyOfSecret(words: readonly string[]): boolean {
  const before = words.at(-2) ?? '';
  return words.at(-1) === 'key' && (PASSWORD_WORDS.has(before) || TOKEN_WORDS.has(before) || before === 'username');
}

function meaningOf(words: readonly string[]): NameMeaning {
  const last = words.at(-1) ?? '';
  const before = words.at(-2) ?? '';
  if (last === 'id') return before === 'key' || before === 'accesskey' ? 'key-id' : 'other';
  if (PASSWORD_WORDS.has(last) || (last === 'pass' && before !== '' && !NOT_PASSWORDS.has(before))) return 'password';
  if (SECRET_WORDS.has(last)) return 'secret';
  if (TOKEN_WORDS.has(last)) return 'token';
  if (API_KEY_WORDS.has(last)) return 'api-key';
  if ((last === 'key' || last === 'keys') && SECRET_KEY_WORDS.has(before)) return 'secret';
  if ((last === 'key' || last === 'keys') && API_KEY_QUALIFIERS.has(before)) return 'api-key';
  if ((last === 'key' || last === 'keys') && PLAIN_KEY_WORDS.has(before)) return 'other';
  return VAGUE_WORDS.has(last) ? 'vague' : 'other';
}

const NOT_PASSWORDS = new Set([
  'by',
  'first',
  'second',
  'single',
  'two',
  'multi',
  'pass',
  'num',
  'low',
  'high',
  'band',
]);
const SECRET_KEY_WORDS = new Set([
  'secret',
  'private',
  'encryption',
  'signing',
  'master',
  'account',
  'fernet',
  'crypto',
  'session',
  'jwt',
  'hmac',
  'shared',
  'storage',
]);
const API_KEY_QUALIFIERS = new Set([
  'api',
  'access',
  'auth',
  'license',
  'subscription',
  'service',
  'deploy',
  'admin',
  'app',
]);
/** Keys that open nothing. */
const PLAIN_KEY_WORDS = new Set(
  `public pub partition routing primary sort foreign object cache label annotation topology index lookup map hash shard group order
  config s3 file field column row join dedupe message metric tag taint toleration env`
    .split(/\s+/)
    .filter((word) => word !== ''),
);
