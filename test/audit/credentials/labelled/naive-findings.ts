// What a search for KEY, SECRET, PASSWORD, TOKEN and CREDENTIAL in names of variables finds in manifests of AI platforms, in the proportion in
// which it finds it there: 179 variables, of which 40 are credentials.

import { credentials, harmless, type LabelledPair } from './labelled-pair.ts';

const SECRET_NAMES =
  `webhook-server-cert kserve-webhook-server-cert kuberay-webhook-cert ray-cluster-tls ray-head-tls ray-worker-tls
  redis-password-secret mlpipeline-minio-artifact mysql-secret katib-mysql-secrets admission-webhook-certs notebook-controller-service-cert
  model-registry-db hf-token hf-token-secret huggingface-credentials wandb-api-key ngc-registry-secret ngc-api-secret nvcr-pull-secret regcred
  docker-config gcr-json-key aws-credentials s3-credentials s3creds gcs-sa-key azcreds azure-storage-secret storage-config oidc-client-secret
  oauth2-proxy dex-oidc-client authservice-client istio-ca-secret cacerts istio-ingressgateway-certs kubeflow-gateway-tls seldon-core-webhook
  spark-operator-webhook-certs training-operator-webhook-cert mpi-job-ssh trainer-webhook-cert jobset-webhook-server-cert
  kueue-webhook-server-cert lws-webhook-server-cert volcano-admission-secret network-operator-webhook-cert sriov-network-operator-cert
  gpu-operator-license vgpu-licensing-config triton-model-secret vllm-secrets vllm-api-keys router-secret lmcache-redis-auth gateway-basic-auth
  grafana-admin prometheus-basic-auth alertmanager-config loki-auth tempo-s3 mlflow-db mlflow-admin airflow-fernet-key airflow-webserver-secret
  jupyterhub-hub-secret feast-redis milvus-minio-secret qdrant-apikey weaviate-auth pgvector-credentials kafka-user-password strimzi-ca-cert
  cert-manager-webhook-ca letsencrypt-account-key cloudflare-token vault-unseal-keys external-secrets-webhook argo-artifacts
  argocd-initial-admin-secret tekton-trigger-token`
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, 82);

const TOKENIZER_DIRECTORIES =
  `/models/tokenizer /mnt/models/tokenizers ./tokenizers /workspace/tokenizer/llama /data/hf/tokenizers
  /opt/tritonserver/tokenizers gs://models/tokenizer`.split(/\s+/);

const SWITCHES = harmless('a switch', [
  ['RAY_ENABLE_K8S_TOKEN_AUTH', 'true'],
  ['RAY_ENABLE_K8S_TOKEN_AUTH', 'false'],
  ['RAY_ENABLE_K8S_TOKEN_AUTH', '1'],
  ['RAY_ENABLE_K8S_TOKEN_AUTH', 'True'],
  ['RAY_ENABLE_K8S_TOKEN_AUTH', '0'],
  ['RAY_ENABLE_K8S_TOKEN_AUTH', 'yes'],
  ['MYSQL_ALLOW_EMPTY_PASSWORD', 'true'],
  ['MYSQL_ALLOW_EMPTY_PASSWORD', 'yes'],
  ['ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID', 'true'],
  ['SKIP_TOKEN_REVIEW', 'false'],
  ['TOKENIZERS_PARALLELISM', 'false'],
  ['VLLM_TOKENIZER_POOL_ENABLED', 'true'],
]);

const ABOUT_CREDENTIALS = harmless('about a credential', [
  ['PILOT_JWT_PUB_KEY_REFRESH_INTERVAL', '20m'],
  ['KF_PIPELINES_SA_TOKEN_PATH', '/var/run/secrets/kubeflow/pipelines/token'],
  ['ML_PIPELINE_SA_TOKEN_PATH', '/var/run/secrets/tokens/persistenceagent-sa-token'],
  ['RAY_TLS_SERVER_KEY', '/etc/ray/tls/tls.key'],
  ['RAY_TLS_SERVER_KEY', '/home/ray/workspace/tls/tls.key'],
  ['AWS_WEB_IDENTITY_TOKEN_FILE', '/var/run/secrets/eks.amazonaws.com/serviceaccount/token'],
  ['GOOGLE_APPLICATION_CREDENTIALS', '/secret/gcp-credentials/user-gcp-sa.json'],
  ['GOOGLE_APPLICATION_CREDENTIALS', '/var/secrets/google/key.json'],
  ['TOKEN_EXPIRATION_SECONDS', '43200'],
  ['OIDC_TOKEN_AUDIENCE', 'pipelines.kubeflow.org'],
  ['SECRET_TTL', '8760h0m0s'],
  ['CREDENTIAL_FETCHER_TYPE', 'GoogleComputeEngine'],
  ['TLS_KEY_PATH', '/certs/server.key'],
  ['SIGNING_KEY_ID', 'release-2026'],
  ['KEY_PREFIX', 'feast/online/'],
  ['MAX_TOKENS', '4096'],
  ['SECRET_NAMESPACE', 'kubeflow'],
  ['PASSWORD_SECRET_KEY_REF', 'redis-password'],
  ['S3_KEY', 'pipelines/run-17/model.tar.gz'],
  ['PARTITION_KEY', 'tenant_id'],
]);

const PLACEHOLDERS = harmless('a placeholder', [
  ['HF_TOKEN', '${HF_TOKEN}'],
  ['HF_TOKEN', '$HF_TOKEN'],
  ['HF_TOKEN', '$(HF_TOKEN)'],
  ['HF_TOKEN', '<your-hf-token>'],
  ['HF_TOKEN', '<YOUR_TOKEN_HERE>'],
  ['HUGGING_FACE_HUB_TOKEN', '${HF_TOKEN}'],
  ['HUGGING_FACE_HUB_TOKEN', 'hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'],
  ['HUGGING_FACE_HUB_TOKEN', '{{ .Values.huggingface.token }}'],
  ['WANDB_API_KEY', '${WANDB_API_KEY}'],
  ['WANDB_API_KEY', 'your-wandb-key'],
  ['NGC_API_KEY', '$NGC_API_KEY'],
  ['OPENAI_API_KEY', 'YOUR_OPENAI_API_KEY'],
  ['OPENAI_API_KEY', 'EMPTY'],
  ['AWS_SECRET_ACCESS_KEY', '${AWS_SECRET_ACCESS_KEY}'],
  ['AWS_SECRET_ACCESS_KEY', 'REPLACE_ME'],
  ['MYSQL_PASSWORD', '$(MYSQL_PASSWORD)'],
  ['DB_PASSWORD', '********'],
  ['CLIENT_SECRET', '[REDACTED]'],
]);

const REAL = credentials('a password in a manifest', [
  ['MINIO_ROOT_PASSWORD', 'minioadmin'],
  ['MINIO_SECRET_KEY', 'minioadmin'],
  ['MINIO_SECRET_KEY', 'minio123'],
  ['AWS_SECRET_ACCESS_KEY', 'minioadmin'],
  ['AWS_SECRET_ACCESS_KEY', 'minio123'],
  ['AWS_ACCESS_KEY_ID', 'minioadmin'],
  ['MINIO_ACCESS_KEY', 'minioadmin'],
  ['S3_SECRET_KEY', 'minio1234'],
  ['MINIO_ROOT_PASSWORD', 'rustfsadmin9'],
  ['MINIO_ROOT_PASSWORD', 'changeme'],
  ['MYSQL_ROOT_PASSWORD', 'test'],
  ['MYSQL_ROOT_PASSWORD', 'password'],
  ['MYSQL_ROOT_PASSWORD', 'root'],
  ['MYSQL_PASSWORD', 'katib'],
  ['MYSQL_PASSWORD', 'mlflow'],
  ['MYSQL_PASSWORD', 'Tbl-spoon-42'],
  ['MYSQL_ROOT_PASSWORD', 'demo'],
  ['POSTGRES_PASSWORD', 'postgres'],
  ['POSTGRES_PASSWORD', 'password123'],
  ['POSTGRES_PASSWORD', 'mlops2026'],
  ['POSTGRES_PASSWORD', 'registry'],
  ['PGPASSWORD', 'feast'],
  ['DB_PASSWORD', '12345678'],
  ['DB_PASSWORD', 'hunter2'],
  ['DATABASE_PASSWORD', 'k8s-is-fun!'],
  ['GF_SECURITY_ADMIN_PASSWORD', 'prom-operator'],
  ['GF_SECURITY_ADMIN_PASSWORD', 'admin'],
  ['GF_SECURITY_ADMIN_PASSWORD', 'Gr4fana-team'],
  ['GRAFANA_ADMIN_PASSWORD', 'grafana'],
  ['ADMIN_PASSWORD', 'adminadmin'],
  ['KEYCLOAK_ADMIN_PASSWORD', 'admin'],
  ['REDIS_PASSWORD', '5241590000000000'],
  ['REDIS_PASSWORD', 'rayredis'],
  ['RABBITMQ_DEFAULT_PASS', 'guest'],
  ['ELASTIC_PASSWORD', 'elastic'],
  ['KUBEFLOW_USER_PASSWORD', '12341234'],
  ['DEX_PASSWORD', 'Blue!Heron7'],
  ['JUPYTER_TOKEN', 'changeme'],
  ['SUPERSET_SECRET_KEY', 'thisisasecret'],
  ['AIRFLOW_ADMIN_PASSWORD', 'airflow'],
]);

export const NAIVE_FINDINGS: readonly LabelledPair[] = [
  ...harmless(
    'the name of a Secret',
    SECRET_NAMES.map((name) => ['SECRET_NAME', name]),
  ),
  ...harmless(
    'a directory of tokenizers',
    TOKENIZER_DIRECTORIES.map((path) => ['TOKENIZERS_DIR', path]),
  ),
  ...SWITCHES,
  ...ABOUT_CREDENTIALS,
  ...PLACEHOLDERS,
  ...REAL,
];
