// Forms that issuers give to their credentials, and by which anybody recognises them.
// Every pattern is bounded and begins where no character of its kind precedes: a text is read once, however it is made.

export interface TokenFormat {
  readonly kind: string;
  readonly title: string;
  /** Stands in every match, so that texts without it are not looked at. */
  readonly literal: string;
  /** Global; the whole match is the credential. */
  readonly pattern: RegExp;
  /** What every one of them begins with, at most four characters; null for none. */
  readonly prefix: string | null;
  /** Good for a test environment only. */
  readonly isLimited: boolean;
}

const WORD = 'A-Za-z0-9';
const WIDE = 'A-Za-z0-9_-';
const MAX_PREFIX = 4;

/** `literal` and then `body` of a class; nothing of WIDE before it, so that a run of characters is looked at once. */
function format(
  kind: string,
  title: string,
  shape: {
    readonly literal: string;
    readonly body: string;
    readonly isLimited?: boolean;
  },
): TokenFormat {
  const { literal, body, isLimited = false } = shape;
  const pattern = new RegExp(`(?<![${WIDE}])${literal.replaceAll('.', '\\.')}${body}`, 'g');
  return { kind, title, literal, pattern, prefix: literal.slice(0, MAX_PREFIX), isLimited };
}

const HEX_32 = '[0-9a-f]{32}';

export const TOKEN_FORMATS: readonly TokenFormat[] = [
  // Clouds
  ...['AKIA', 'ASIA', 'ABIA', 'ACCA'].map((literal) =>
    format('aws-access-key-id', 'an AWS access key ID', { literal, body: `[A-Z0-9]{16}(?![${WORD}])` }),
  ),
  format('aws-bedrock-api-key', 'an Amazon Bedrock API key', { literal: 'ABSK', body: '[A-Za-z0-9+/]{100,300}={0,2}' }),
  format('gcp-api-key', 'a Google API key', { literal: 'AIza', body: `[${WIDE}]{35}(?![${WIDE}])` }),
  format('gcp-oauth-client-secret', 'a Google OAuth client secret', { literal: 'GOCSPX-', body: `[${WIDE}]{28}` }),
  format('gcp-access-token', 'a Google access token', { literal: 'ya29.', body: `[${WIDE}]{40,1024}` }),
  format('digitalocean-token', 'a DigitalOcean token', { literal: 'dop_v1_', body: '[0-9a-f]{64}' }),
  format('alibaba-access-key-id', 'an Alibaba Cloud access key ID', { literal: 'LTAI', body: `[${WORD}]{12,24}` }),
  // Where code and images are kept
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((literal) =>
    format('github-token', 'a GitHub token', { literal, body: `[${WORD}]{36,255}` }),
  ),
  format('github-token', 'a fine-grained GitHub token', { literal: 'github_pat_', body: `[${WORD}_]{50,255}` }),
  ...['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glimt-', 'glagent-', 'glsoat-', 'GR1348941'].map(
    (literal) => format('gitlab-token', 'a GitLab token', { literal, body: `[${WIDE}]{20,320}` }),
  ),
  format('docker-token', 'a Docker Hub token', { literal: 'dckr_pat_', body: `[${WIDE}]{27,64}` }),
  format('npm-token', 'an npm token', { literal: 'npm_', body: `[${WORD}]{36}` }),
  format('pypi-token', 'a PyPI token', { literal: 'pypi-AgEIcHlwaS5vcmc', body: `[${WIDE}]{50,1000}` }),
  format('atlassian-token', 'an Atlassian token', { literal: 'ATATT3', body: `[=${WIDE}]{150,250}` }),
  // Models, and what is made of them
  format('huggingface-token', 'a Hugging Face token', { literal: 'hf_', body: `[${WORD}]{30,64}(?![${WIDE}])` }),
  format('huggingface-token', 'a Hugging Face organisation token', { literal: 'api_org_', body: `[${WORD}]{30,64}` }),
  ...['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-'].map((literal) =>
    format('openai-key', 'an OpenAI API key', { literal, body: `[${WIDE}]{20,256}` }),
  ),
  format('openai-key', 'an OpenAI API key', { literal: 'sk-', body: `[${WORD}]{20}T3BlbkFJ[${WORD}]{20}` }),
  format('openai-key', 'an API key of the form of OpenAI', { literal: 'sk-', body: `[${WORD}]{32,64}(?![${WIDE}])` }),
  format('anthropic-key', 'an Anthropic API key', { literal: 'sk-ant-', body: `[a-z0-9]{2,12}-[${WIDE}]{24,256}` }),
  format('openrouter-key', 'an OpenRouter API key', { literal: 'sk-or-v1-', body: '[0-9a-f]{64}' }),
  format('langfuse-key', 'a Langfuse secret key', { literal: 'sk-lf-', body: '[0-9a-f]{8}-[0-9a-f-]{27}' }),
  format('nvidia-key', 'an NVIDIA API key', { literal: 'nvapi-', body: `[${WIDE}]{40,128}` }),
  format('wandb-key', 'a Weights & Biases API key', { literal: 'wandb_v1_', body: `[${WIDE}]{40,128}` }),
  format('wandb-key', 'a Weights & Biases API key of a private host', { literal: 'local-', body: '[0-9a-f]{40}' }),
  format('replicate-token', 'a Replicate token', { literal: 'r8_', body: `[${WORD}]{37}(?![${WIDE}])` }),
  format('databricks-token', 'a Databricks token', { literal: 'dapi', body: `${HEX_32}(?:-[0-9])?(?![${WORD}])` }),
  format('groq-key', 'a Groq API key', { literal: 'gsk_', body: `[${WORD}]{48,64}` }),
  format('xai-key', 'an xAI API key', { literal: 'xai-', body: `[${WORD}]{70,100}` }),
  format('perplexity-key', 'a Perplexity API key', { literal: 'pplx-', body: `[${WORD}]{40,64}` }),
  format('together-key', 'a Together AI API key', { literal: 'tgp_v1_', body: `[${WIDE}]{40,64}` }),
  format('langsmith-key', 'a LangSmith API key', { literal: 'lsv2_', body: `(?:pt|sk)_${HEX_32}_[0-9a-f]{10}` }),
  format('pinecone-key', 'a Pinecone API key', { literal: 'pcsk_', body: `[${WORD}_]{50,90}` }),
  format('kaggle-token', 'a Kaggle token', { literal: 'KGAT_', body: '[0-9a-f]{32}' }),
  format('fireworks-key', 'a Fireworks API key', { literal: 'fw_', body: `[${WORD}]{22,32}(?![${WIDE}])` }),
  // Secrets that lead to secrets
  ...['hvs.', 'hvb.', 'hvr.'].map((literal) =>
    format('vault-token', 'a Vault token', { literal, body: `[${WIDE}]{24,300}` }),
  ),
  ...['dp.pt.', 'dp.st.', 'dp.sa.', 'dp.ct.'].map((literal) =>
    format('doppler-token', 'a Doppler token', { literal, body: `[${WORD}_.-]{40,64}` }),
  ),
  format('onepassword-token', 'a 1Password service account token', {
    literal: 'ops_eyJ',
    body: `[${WORD}+/=]{200,2000}`,
  }),
  format('age-secret-key', 'an age identity', { literal: 'AGE-SECRET-KEY-1', body: '[0-9A-Z]{58}' }),
  format('tailscale-key', 'a Tailscale key', {
    literal: 'tskey-',
    body: `[a-z]{2,10}-[${WORD}]{8,32}-[${WORD}]{16,64}`,
  }),
  // Where people and operators are told
  ...['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-', 'xapp-'].map((literal) =>
    format('slack-token', 'a Slack token', { literal, body: `[0-9][${WIDE}]{20,256}` }),
  ),
  format('slack-webhook', 'the address of a Slack webhook', {
    literal: 'hooks.slack.com/services/',
    body: 'T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{16,32}',
  }),
  format('grafana-token', 'a Grafana token', { literal: 'glsa_', body: `[${WORD}]{32}_[0-9a-fA-F]{8}` }),
  format('grafana-token', 'a Grafana Cloud token', { literal: 'glc_', body: '[A-Za-z0-9+/]{32,400}={0,2}' }),
  format('newrelic-key', 'a New Relic key', { literal: 'NRAK-', body: '[A-Z0-9]{27}' }),
  format('sentry-token', 'a Sentry token', { literal: 'sntrys_', body: '[A-Za-z0-9+/=_-]{60,400}' }),
  format('sendgrid-key', 'a SendGrid API key', { literal: 'SG.', body: `[${WIDE}]{16,32}\\.[${WIDE}]{32,64}` }),
  format('linear-key', 'a Linear API key', { literal: 'lin_api_', body: `[${WORD}]{40}` }),
  format('notion-token', 'a Notion token', { literal: 'ntn_', body: `[${WORD}]{40,60}` }),
  // Money and shops
  ...['sk_live_', 'rk_live_'].map((literal) =>
    format('stripe-key', 'a Stripe key', { literal, body: `[${WORD}]{16,200}` }),
  ),
  ...['sk_test_', 'rk_test_'].map((literal) =>
    format('stripe-key', 'a Stripe test key', { literal, body: `[${WORD}]{16,200}`, isLimited: true }),
  ),
  format('stripe-webhook-secret', 'a Stripe webhook secret', { literal: 'whsec_', body: '[A-Za-z0-9+/=]{24,128}' }),
  ...['shpat_', 'shpss_', 'shpca_'].map((literal) =>
    format('shopify-token', 'a Shopify token', { literal, body: '[0-9a-fA-F]{32}' }),
  ),
  ...['pscale_tkn_', 'pscale_pw_', 'pscale_oauth_'].map((literal) =>
    format('planetscale-token', 'a PlanetScale credential', { literal, body: `[.=${WIDE}]{32,64}` }),
  ),
  {
    kind: 'terraform-token',
    title: 'a Terraform Cloud token',
    literal: '.atlasv1.',
    pattern: /(?<![A-Za-z0-9_-])[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}/g,
    prefix: null,
    isLimited: false,
  },
  // Azure has no prefixes, but a mark in the midst.
  {
    kind: 'azure-client-secret',
    title: 'an Azure client secret',
    literal: 'Q~',
    pattern: /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])/g,
    prefix: null,
    isLimited: false,
  },
  {
    kind: 'azure-storage-key',
    title: 'an Azure storage or database key',
    literal: 'ccountKey=',
    pattern: /(?<=ccountKey=)[A-Za-z0-9+/]{64,100}={0,2}/g,
    prefix: null,
    isLimited: false,
  },
  {
    kind: 'azure-shared-access-key',
    title: 'an Azure shared access key',
    literal: 'SharedAccessKey=',
    pattern: /(?<=SharedAccessKey=)[A-Za-z0-9+/]{40,100}={0,2}/g,
    prefix: null,
    isLimited: false,
  },
  {
    kind: 'azure-sas-token',
    title: 'an Azure shared access signature',
    literal: 'sig=',
    pattern: /(?<=[?&;]sig=)[A-Za-z0-9%+/]{40,80}={0,2}/g,
    prefix: null,
    isLimited: false,
  },
];
