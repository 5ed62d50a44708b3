import { describe, expect, it } from 'vitest';
import { detectInCommand } from '../../../src/audit/credentials/command-line.ts';
import { ALPHANUMERIC, characters, HEX, LETTERS, token } from './labelled/made-up-tokens.ts';

const KEY = characters(ALPHANUMERIC, 24, 11);
const HF = token('hf_', { alphabet: LETTERS, length: 34 });

/** What was found: index of the word, kind, and the text at its place. */
function found(...words: readonly string[]): readonly string[] {
  return detectInCommand(words).map(({ index, detection: { kind, start, length } }) => {
    return `${index} ${kind} ${words[index]?.slice(start, start + length) ?? ''}`;
  });
}

describe('detectInCommand', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['an option and its value', ['vllm', 'serve', '--api-key', KEY], [`3 api-key ${KEY}`]],
    ['an option with its value', ['vllm', 'serve', `--api-key=${KEY}`], [`2 api-key ${KEY}`]],
    ['a system property', ['java', '-Ddb.password=Quiet-Otter-5', '-jar', 'a.jar'], ['1 password Quiet-Otter-5']],
    ['an assignment', ['env', 'PGPASSWORD=Quiet-Otter-5', 'psql'], ['1 password Quiet-Otter-5']],
    ['a token anywhere', ['run', 'download', HF], [`2 huggingface-token ${HF}`]],
    ['an address', ['celery', '-b', 'redis://:Quiet-Otter-5@redis:6379'], ['2 url-password Quiet-Otter-5']],
    ['what follows -p at once', ['mysql', '-uroot', '-pQuiet-Otter-5'], ['2 password Quiet-Otter-5']],
    ['what follows -a', ['redis-cli', '-a', 'Quiet-Otter-5', 'ping'], ['2 password Quiet-Otter-5']],
    ['what a server requires', ['redis-server', '--requirepass', 'Quiet-Otter-5'], ['2 password Quiet-Otter-5']],
    ['a login', ['curl', '-u', 'ci:Quiet-Otter-5', 'https://x.internal'], ['2 password Quiet-Otter-5']],
    ['a login by position', ['wandb', 'login', characters(HEX, 40, 2)], [`2 wandb-key ${characters(HEX, 40, 2)}`]],
    [
      'an alias of MinIO',
      ['/usr/bin/mc', 'alias', 'set', 'm', 'http://minio:9000', 'minioadmin', 'minioadmin'],
      ['5 weak-default minioadmin', '6 weak-default minioadmin'],
    ],
  ])('finds %s', (_what, words, expected) => {
    expect(found(...words)).toEqual(expected);
  });

  it.each<[string, readonly string[]]>([
    ['a path', ['serve', '--tls-private-key-file', '/certs/tls.key', '--token-file=/var/run/token']],
    ['a variable', ['serve', '--api-key', '$(API_KEY)', '--token', '$TOKEN', '--password=${PASSWORD}']],
    ['limits of tokens', ['serve', '--max-num-batched-tokens', '8192', '--tokenizer', 'meta-llama/Llama-3.1-8B']],
    ['an option that is followed by another', ['serve', '--no-auth', '--password', '--verbose']],
    ['the name of a Secret', ['controller', '--webhook-secret-name', 'kserve-webhook-server-cert']],
    ['-p of another program', ['ssh', '-p', '2222x', 'host']],
    ['a Jupyter without a token', ['jupyter', 'lab', "--ServerApp.token=''", '--ServerApp.password=']],
    ['nothing at all', []],
  ])('finds nothing in %s', (_what, words) => {
    expect(found(...words)).toEqual([]);
  });

  it('reads the script of a shell', () => {
    const script = `set -e
export HF_TOKEN=${HF}
mysql -uroot -pQuiet-Otter-5 \\
  -h db && echo done; curl -u "ci:Brass-Heron-6" https://x.internal | tee out
vllm serve --api-key "${KEY}" --password '$PASSWORD'
`;
    expect(found('/bin/sh', '-c', script)).toEqual([
      `2 huggingface-token ${HF}`,
      '2 password Quiet-Otter-5',
      '2 password Brass-Heron-6',
      `2 api-key ${KEY}`,
    ]);
  });

  it('says in which line of a script', () => {
    const [first] = detectInCommand(['sh', '-c', 'a\nb\nmysql -pQuiet-Otter-5 x y z']);
    expect(first?.detection.line).toBe(3);
  });
});
