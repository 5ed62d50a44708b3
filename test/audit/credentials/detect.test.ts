import { describe, expect, it } from 'vitest';
import { detectCredentials } from '../../../src/audit/credentials/detect.ts';
import { describeDetection, type Detection } from '../../../src/audit/credentials/detection.ts';
import { ADDRESSES_AND_PLAIN_VALUES } from './labelled/addresses-and-plain-values.ts';
import { ISSUED_TOKENS } from './labelled/issued-tokens.ts';
import { ALPHANUMERIC, BASE64, characters, HEX, jwt, LETTERS, pem, token } from './labelled/made-up-tokens.ts';
import { NAIVE_FINDINGS } from './labelled/naive-findings.ts';

const HF = token('hf_', { alphabet: LETTERS, length: 34 });

function inText(text: string, file = 'config.yaml'): readonly string[] {
  return detectCredentials(file, text, { form: 'text' }).map(
    ({ kind, start, length, line }) => `${line} ${kind} ${text.slice(start, start + length)}`,
  );
}

function inValue(name: string, value: string): readonly Detection[] {
  return detectCredentials(name, value, { form: 'value' });
}

describe('detectCredentials of a value', () => {
  it.each<[string, string, string | null]>([
    ['HF_TOKEN', HF, 'huggingface-token'],
    ['ANYTHING', HF, 'huggingface-token'],
    [
      'AWS_ACCESS_KEY_ID',
      token('AKIA', { alphabet: 'ABCDEFGHJKLMNPQRSTUVWXYZ234567', length: 16 }),
      'aws-access-key-id',
    ],
    ['AWS_SECRET_ACCESS_KEY', characters(BASE64, 40, 3), 'aws-secret-access-key'],
    ['WANDB_API_KEY', characters(HEX, 40, 3), 'wandb-key'],
    ['POSTGRES_PASSWORD', 'postgres', 'weak-default'],
    ['POSTGRES_PASSWORD', 'Quiet-Otter-5', 'password'],
    ['DATABASE_URL', 'postgres://u:Quiet-Otter-5@db/x', 'url-password'],
    ['DATABASE_URL', 'postgres://admin:admin@db/x', 'weak-default'],
    ['TLS_KEY', pem('PRIVATE KEY'), 'private-key'],
    ['TLS_KEY', pem('ENCRYPTED PRIVATE KEY'), 'private-key'],
    ['SESSION', jwt({ sub: 'a' }), 'jwt'],
    ['SECRET_NAME', 'quiet-otter-credentials', null],
    ['PASSWORD', '${PASSWORD}', null],
    ['PASSWORD', '${PASSWORD:-postgres}', 'weak-default'],
    ['TOKEN', '3600', null],
    ['PASSWORD', '3600', 'password'],
    // A name that says where a credential is, and a value that is one all the same.
    ['HF_TOKEN_PATH', HF, 'huggingface-token'],
    ['DB_PASSWORD_FILE', characters(`${ALPHANUMERIC}!#%`, 24, 4), 'high-entropy'],
    ['DB_PASSWORD_FILE', '/run/secrets/db', null],
  ])('%s=%s: %s', (name, value, kind) => {
    expect(inValue(name, value).map((detection) => detection.kind)).toEqual(kind === null ? [] : [kind]);
  });

  it('S22 takes a well-known default for a credential only where it is in force', () => {
    expect(inValue('ADMIN_PASSWORD', 'changeme')).toHaveLength(1);
    expect(inValue('ADMIN_PASSWORD', '<changeme>')).toHaveLength(0);
    expect(inValue('COMMENT', 'changeme')).toHaveLength(0);
    expect(inValue('ADMIN_USER', 'admin')).toHaveLength(0);
  });

  it('tells until when a token is good, and that a key is under a passphrase', () => {
    const [detection] = inValue('TOKEN', jwt({ exp: 1_893_456_000 }));
    expect(detection?.expiresMs).toBe(1_893_456_000_000);
    expect(detection === undefined ? null : describeDetection(detection)).toMatchObject({
      expires: '2030-01-01T00:00:00.000Z',
    });
    expect(inValue('TOKEN', jwt({ sub: 'a' }))[0]?.expiresMs).toBeNull();
    expect(inValue('TOKEN', jwt({ exp: 'soon' }))[0]?.expiresMs).toBeNull();
    expect(inValue('K', pem('ENCRYPTED PRIVATE KEY'))[0]?.isLimited).toBe(true);
    expect(inValue('K', pem('PRIVATE KEY'))[0]?.isLimited).toBe(false);
  });

  it('does not show an expiry that no calendar knows as a date', () => {
    const [detection] = inValue('TOKEN', jwt({ exp: 1e300 }));
    expect(detection === undefined ? null : describeDetection(detection)).toMatchObject({ expires: 'never' });
  });

  it('finds each of several in one value', () => {
    const options = `--api-key=${characters(ALPHANUMERIC, 24, 1)} --hub-token=${HF} --redis=redis://:l0ngWay-home@r:6379`;
    expect(inValue('OPTIONS', options).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'api-key api-key',
      'huggingface-token OPTIONS',
      'url-password OPTIONS',
    ]);
  });
});

describe('detectCredentials of a text', () => {
  const password = 'Quiet-Otter-5';

  it.each<[string, string]>([
    ['YAML', `db:\n  user: mlflow\n  password: ${password} # rotate\n`],
    ['YAML in quotes', `db:\n  user: mlflow\n  password: "${password}"\n`],
    ['a YAML list of variables', `env:\n- name: DB_PASSWORD\n  value: ${password}\n`],
    ['a YAML block scalar', `db:\n  password: |-\n    ${password}\n`],
    ['YAML in flow style', `\n\ndb: { user: mlflow, password: ${password} }\n`],
    ['JSON', `{\n  "db": {\n    "password": "${password}"\n  }\n}\n`],
    ['JSON in one line', `\n\n{"db":{"user":"mlflow","password":"${password}"}}\n`],
    ['JSON in a string', `\n\nvalues: '{\\"password\\": \\"${password}\\"}'\n`],
    ['INI', `[db]\nuser = mlflow\npassword = ${password}\n`],
    ['properties', `# database\ndb.user=mlflow\ndb.password=${password}\n`],
    ['an environment file', `A=1\nB=2\nexport DB_PASSWORD="${password}"\n`],
    ['XML', `<servers>\n<server>\n<password>${password}</password>\n</server></servers>`],
    ['a program', `import os\n\ndb_password = "${password}"\n`],
    ['a shell script', `set -e\n\nPGPASSWORD=${password} psql -h db\n`],
    ['a connection string', `\n\nServer=sql;Database=x;User Id=a;Password=${password};\n`],
    ['.netrc', `# mirrors\n\nmachine git.corp.internal login ci password ${password}\n`],
    [
      'an Hadoop configuration',
      `\n\n<property><name>fs.s3a.secret.password</name><value>${password}</value></property>`,
    ],
  ])('finds the password in %s, and says in which line', (_what, text) => {
    const found = inText(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^[34] [a-z-]+ ${password}$`));
  });

  it.each<[string, string]>([
    ['a comment', '# password: Quiet-Otter-5\n'],
    [
      'an expression of a program',
      'password = os.environ["DB_PASSWORD"]\ntoken = get_token(user)\napi_key = settings.API_KEY\n',
    ],
    ['a type', 'password: str = None\ntoken: Optional<String>\n'],
    [
      'a reference to a Secret',
      'env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db-secret\n      key: password\n',
    ],
    ['a template', 'password: {{ .Values.db.password | quote }}\ntoken: "{{ token }}"\n'],
    [
      'a kubeconfig with an exec plugin',
      'kind: Config\nusers:\n- name: a\n  user:\n    exec:\n      command: aws\n      args: [eks, get-token]\n',
    ],
    ['an empty registry login', '{"auths":{"nvcr.io":{"auth":""}}}'],
  ])('finds nothing in %s', (_what, text) => {
    expect(inText(text)).toEqual([]);
  });

  it('finds what has a form of its own in comments and in long lines as well', () => {
    expect(inText(`# ${HF}\n`)).toEqual([`1 huggingface-token ${HF}`]);
    expect(inText(`${'x'.repeat(100_000)} ${HF}\n`)).toEqual([`1 huggingface-token ${HF}`]);
  });

  it('finds the client key and the token of a kubeconfig', () => {
    const key = Buffer.from(pem('RSA PRIVATE KEY')).toString('base64');
    const certificate = Buffer.from(pem('CERTIFICATE')).toString('base64');
    const text = `kind: Config\nusers:\n- name: a\n  user:\n    client-certificate-data: ${certificate}\n    client-key-data: ${key}\n    token: ${characters(ALPHANUMERIC, 32, 6)}\n`;
    expect(inText(text).map((found) => found.split(' ').slice(0, 2).join(' '))).toEqual([
      '6 kubeconfig-key',
      '7 token',
    ]);
  });

  it('finds the login in a registry configuration', () => {
    const auth = Buffer.from(`ci:${characters(ALPHANUMERIC, 30, 2)}`).toString('base64');
    expect(inText(JSON.stringify({ auths: { 'nvcr.io': { auth } } }))).toEqual([`1 registry-auth ${auth}`]);
  });

  it('tells the key of a Google service account from another private key', () => {
    const key = {
      type: 'service_account',
      private_key: pem('PRIVATE KEY'),
      client_email: 'a@b.iam.gserviceaccount.com',
    };
    expect(inText(JSON.stringify(key, null, 2))[0]).toMatch(/^3 gcp-service-account-key /);
    expect(inText(JSON.stringify({ private_key: pem('PRIVATE KEY') }, null, 2))[0]).toMatch(/^2 private-key /);
  });
});

describe('what is told of a credential', () => {
  const credentials = [...NAIVE_FINDINGS, ...ISSUED_TOKENS, ...ADDRESSES_AND_PLAIN_VALUES].filter(
    // Of `PASSWORD=password` the name is told.
    ({ isCredential, name, value }) => isCredential && !name.toLowerCase().includes(value.toLowerCase()),
  );

  it.each(credentials.map(({ name, value }, index) => [index, name, value] as const))(
    '%i %s: neither the value nor a part of it that could be tried',
    (_index, name, value) => {
      for (const form of ['value', 'text'] as const) {
        for (const detection of detectCredentials(name, form === 'value' ? value : `${name}: ${value}\n`, { form })) {
          const text = form === 'value' ? value : `${name}: ${value}\n`;
          const secret = text.slice(detection.start, detection.start + detection.length);
          const told = JSON.stringify([detection, describeDetection(detection)]);
          expect(told).not.toContain(secret);
          if (secret.length >= 16) {
            expect(told).not.toContain(secret.slice(0, 8));
            expect(told).not.toContain(secret.slice(-8));
          }
        }
      }
    },
  );

  it('is no name that holds the credential again', () => {
    const [detection] =
      inText(`${HF}_token: 1\nx: ${HF}`, 'a').length > 0 ? detectCredentials(HF, HF, { form: 'value' }) : [];
    expect(detection?.name).toBeNull();
  });

  it('is not how long a password is', () => {
    expect(inValue('DB_PASSWORD', 'hunter2').map(describeDetection)).toMatchObject([{ length: 'under 16' }]);
    expect(inValue('HF_TOKEN', HF).map(describeDetection)).toMatchObject([{ length: 37, prefix: 'hf_' }]);
  });
});
