// Credentials that whoever has read the manual of the software knows.

/** Passwords that software ships with, that its documentation shows, or that are the first to be tried. Lower case. */
const WELL_KNOWN = new Set(
  `admin administrator root toor password passw0rd p@ssw0rd p@ssword pass pass123 pass1234 password1 password12 password123 password1234
  passwd changeme change-me change_me change.me changeit changethis changemenow letmein welcome welcome1 welcome123 secret s3cret s3cr3t
  default guest test test123 test1234 testing tester demo demo123 qwerty qwerty123 abc123 abcd1234 iloveyou 123 1234 12345 123456 1234567
  12345678 123456789 1234567890 11111111 111111 000000 00000000 12341234 user user123 username admin123 admin1234 admin12345 adminadmin
  admin@123 adminpass adminpassword admin-password root123 rootroot rootpass rootpassword supersecret topsecret superpassword
  supersecretpassword verysecret mysecretpassword my-secret-pw mypassword secretpassword secret123 postgres postgresql postgres123 pgpass
  pgpassword mysql mysql123 mariadb mongo mongodb mongoadmin redis redis123 redispassword rabbitmq cassandra neo4j elastic opensearch kibana
  grafana prom-operator prometheus minio minioadmin minio123 minio1234 minio-secret minio-secret-key minioadmin123 minio_password kubeflow
  katib mlpipeline mlflow mlflow123 airflow airflow123 superset jupyter jupyterhub notebook ray kserve kfserving triton seldon seldonio feast
  label-studio labelstudio heartex harbor12345 nexus admin123! sonar sonarqube gitlab gitea drone jenkins keycloak zabbix influx influxdb
  influxdb123 clickhouse couchbase couchdb oracle tiger scott sa sapassword vagrant ubuntu raspberry cloudera hadoop hive spark trino presto
  metastore dbpass dbpassword dbuser dbadmin db_password weaviate qdrant milvus chroma token-abc123 sk-1234 master_key langfuse litellm ollama
  openwebui thisisasecret thisisunsafe notasecret insecure trustno1 master access test_password secretkey secret-key secret_key accesskey
  your_password yourpassword`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** Of these, what also is the name of a key, a mode or a thing: under a name that may call for such they prove nothing. */
const AMBIGUOUS = new Set(
  `admin administrator root password passwd secret default guest test testing user username access oracle spark hive ray redis mysql mariadb
  postgres postgresql mongo mongodb elastic opensearch grafana prometheus jupyter notebook kubeflow mlflow airflow katib kserve triton feast
  gitlab gitea harbor jenkins keycloak influx influxdb clickhouse secretkey secret-key secret_key accesskey master_key master sa minio-secret
  minio-secret-key token-abc123x hadoop trino presto metastore cassandra neo4j rabbitmq minio milvus qdrant weaviate chroma langfuse litellm
  ollama seldon kfserving jupyterhub superset demo`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** As a password. */
export function isWellKnownPassword(value: string): boolean {
  return WELL_KNOWN.has(value.toLowerCase());
}

/** As a token or a key, which such a word is seldom meant to be. */
export function isWellKnownSecret(value: string): boolean {
  const text = value.toLowerCase();
  return WELL_KNOWN.has(text) && !AMBIGUOUS.has(text);
}
