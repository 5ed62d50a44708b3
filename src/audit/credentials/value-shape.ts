// Values that are no credentials, whatever name they stand under.

import { isMonotonous } from './randomness.ts';

/** Something is to be put in here, by a person, a template or a shell; or a person left it out. */
export function isPlaceholder(value: string): boolean {
  const text = value.trim();
  return (
    text === '' ||
    text.length > MAX_LENGTH ||
    INTERPOLATIONS.some((pattern) => pattern.test(text)) ||
    /^[*•.…_xX#?-]+$/.test(text) ||
    isMonotonousTail(text) ||
    text.includes('EXAMPLE') ||
    text.includes('***') ||
    (wordsOf(text).some((word) => PLACEHOLDER_WORDS.has(word)) && !/[!@#$%^&*]/.test(text)) ||
    NOTHING.has(text.toLowerCase())
  );
}

/** It says where the credential is: a Secret, a vault, a file, a variable, an expression of a program. */
export function isReference(value: string): boolean {
  return REFERENCES.some((pattern) => pattern.test(value.trim()));
}

/** A boolean, duration, path, address, hash …: told by its form. Plain numbers are not among them, for people take them as passwords. */
export function hasPlainShape(value: string): boolean {
  const text = value.trim();
  return text.length > MAX_LENGTH || PLAIN_SHAPES.some((pattern) => pattern.test(text));
}

export function isNumber(value: string): boolean {
  return /^[-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:e[-+]?[0-9]{1,3})?$/i.test(value.trim());
}

export function isHash(value: string): boolean {
  return /^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$/.test(value.trim());
}

export function isUuid(value: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value.trim());
}

/** What a name that ends in `suffix` promises. */
export function hasShapeOf(suffix: string, value: string): boolean {
  const text = value.trim();
  if (hasPlainShape(text) || isNumber(text)) return true;
  const shape = SUFFIX_SHAPES.get(suffix) ?? /^[A-Za-z0-9._\-/: ,*@+=%]{0,256}$/;
  return shape.test(text);
}

/** What a Kubernetes object or a key in one can be called, made of words. */
export function isObjectName(value: string): boolean {
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(value);
}

const MAX_LENGTH = 65_536;

const INTERPOLATIONS = [
  /\$\{[^}]{1,256}\}/,
  /\$\([^)]{1,256}\)/,
  /^\$[A-Za-z_][A-Za-z0-9_]{0,127}(?:$|[/:.])/,
  /^\$[({]/,
  /^`/,
  /\{\{/,
  /\{%/,
  /<%/,
  /^<[^<>]{1,256}>$/,
  /^\[[A-Za-z _-]{1,64}\]$/,
  /^%[A-Za-z_][A-Za-z0-9_]{0,127}%$/,
  /^%\([A-Za-z_]{1,128}\)s$/,
  /^@[A-Za-z_.-]{1,128}@$/,
  /^__[A-Za-z0-9_]{1,128}__$/,
  /^\{[A-Za-z_][A-Za-z0-9_.]{0,127}\}$/,
  /^#\{.{1,256}\}#?$/,
];

/** `change` and `me` are not among them: what stands there as `changeme` is in force. */
const PLACEHOLDER_WORDS = new Set(
  `your yours replace replaceme insert enter placeholder example examples dummy fake redacted removed omitted masked hidden todo fixme tbd fill
  goes here xxx xxxx xxxxx yourtoken yourpassword yourkey yoursecret sample mock notreal unused ignored notused`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

const NOTHING = new Set(
  `none null nil undefined n/a na empty unset not-set notset not_set disabled off optional required false true yes no on auto automatic
  anonymous string str foo bar baz foobar ... - "" '' ~ any anything some value sk-no-key-required no-key-required not-needed no-key eof`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

const REFERENCES = [
  /^(?:op|vault|secret|secretref|sm|ssm|awssm|gcpsm|azkv|file|env|keyring|keychain|aws-sm|kubernetes|k8s|doppler|bws):/i,
  /^(?:ref\+|vault:|!vault|!secret|!env|!Ref|!Sub|!GetAtt)/,
  /^ENC\[/,
  /^Ag[A-Z][A-Za-z0-9+/]{200,}={0,2}$/,
  /^\$ANSIBLE_VAULT;/,
  /^arn:aws[a-z-]{0,12}:/,
  /^projects\/[^/]{1,64}\/secrets\//,
  /^@Microsoft\.KeyVault\(/,
  /^\/run\/secrets\//,
  /^(?:os|process|System|env|config|settings|conf|cfg|self|args|options|secrets|params|context|request|var|data|local|module)[.[]/,
  /^[A-Za-z_][A-Za-z0-9_.]{0,127}\(/,
  /^[A-Za-z_][A-Za-z0-9_]{0,63}\[['"]?[A-Za-z0-9_.-]{1,64}['"]?\]$/,
  /^[A-Z][A-Za-z0-9_.]{0,63}<.{0,128}>$/,
  /^(?:lambda|await|new|not|return|if)\s/,
];

const HOST = '(?:[A-Za-z0-9-]{1,63}\\.){0,16}[A-Za-z0-9-]{1,63}\\.?';

const PLAIN_SHAPES = [
  /^(?:true|false|yes|no|on|off|enabled?|disabled?|always|never|strict|permissive)$/i,
  // Durations, sizes, shares
  /^[0-9]{1,12}(?:\.[0-9]{1,6})?\s?(?:ns|us|ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?|y)$/i,
  /^(?:[0-9]{1,6}[hms]){2,3}$/,
  /^[0-9]{1,12}(?:\.[0-9]{1,6})?\s?(?:[kmgtp]i?b?|%)$/i,
  // Paths and files
  /^(?:[A-Za-z]:)?[~.]{0,2}[/\\][A-Za-z0-9._\-/\\@+ #?=&:,]{0,1024}$/,
  /^[A-Za-z0-9._-]{1,128}(?:\/[A-Za-z0-9._-]{1,128}){0,16}\.(?:pem|crt|cer|key|pub|json|ya?ml|toml|ini|conf|cfg|txt|env|jks|p12|pfx|der|csv|properties|xml|sh|py|db|sock|token|log)$/i,
  // Addresses without credentials; with any, they are found before
  /^[A-Za-z][A-Za-z0-9+.-]{1,30}:\/\/[^\s@]{0,2048}$/,
  new RegExp(`^${HOST}:[0-9]{1,5}$`),
  /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\/[0-9]{1,2})?(?::[0-9]{1,5})?$/,
  /^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}$/,
  // Names of the public half, or of what was made of the secret one
  /^(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp[0-9]{3}|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) AAAA/,
  /^-----BEGIN (?:PUBLIC KEY|CERTIFICATE|RSA PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL|TRUSTED CERTIFICATE)/,
  /^age1[0-9a-z]{58}$/,
  /^(?:sha(?:1|224|256|384|512)|md5|blake2b)[:-][A-Za-z0-9+/=]{16,256}$/i,
  /^(?:\$(?:2[abxy]|apr1|1|5|6|y|argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha(?:256|512))?)\$|\{(?:SSHA|SHA|MD5|BCRYPT|PBKDF2)[0-9]*\}|pbkdf2[:_]|scrypt:|SCRAM-SHA-)/i,
  // Dates and versions
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{5,15}(?:Z|[+-][0-9:]{4,6})?)?$/,
  /^v?[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}(?:[-+][A-Za-z0-9.-]{1,40})?$/,
  // Kubernetes: a kind of media, a class of a program, a label key
  /^[a-z]{2,16}(?:\.[a-z][a-z0-9_-]{1,30}){2,10}(?:\.[A-Z][A-Za-z0-9$]{1,80})?$/,
  /^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}\/[A-Za-z0-9._-]{1,63}$/,
  /^(?:application|text|image)\/[a-z0-9.+-]{1,80}$/,
  // Algorithms and modes
  /^(?:[RHEP]S(?:256|384|512)|EdDSA|A(?:128|192|256)(?:GCM|CBC|KW)?|AES[-_0-9A-Z]{0,16}|RSA[-_0-9A-Z]{0,16}|SCRAM[-_0-9A-Z]{0,16}|PLAIN|GSSAPI|OAUTHBEARER|TLSv?[0-9._]{0,4})$/i,
  /^(?:bearer|basic|token|jwt|oauth2?|oidc|saml|ldap|mtls|tls|ssl|iam|irsa|kerberos|header|cookie|query|body|form|file|env|secret|password|apikey|api_key|key|plain|sasl_ssl|sasl_plaintext)$/i,
];

/** Of a model or an image: `meta-llama/Llama-3-8B`, `registry.example/team/name:tag`. */
const SUFFIX_SHAPES: ReadonlyMap<string, RegExp> = new Map([
  ['flag', /^[A-Za-z]{0,12}$/],
  ['key', /^[A-Za-z0-9._-]{1,253}$/],
  ['secret', /^[A-Za-z0-9._/-]{1,253}$/],
  ['path', /^[A-Za-z0-9._\-/\\@+ :~*{},]{0,1024}$/],
  ['url', /^[^\s@]{0,2048}$/],
]);

/** A format's beginning and then nothing but `xxxx` or `1234`. */
function isMonotonousTail(text: string): boolean {
  const tail = text.slice(Math.max(...['-', '_', '.', ':'].map((mark) => text.lastIndexOf(mark))) + 1);
  return isMonotonous(tail.length >= 6 ? tail : text) && !/^[0-9]+$/.test(text);
}

function wordsOf(text: string): readonly string[] {
  return text
    .slice(0, 256)
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
}
