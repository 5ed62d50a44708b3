// Manifests as people write them, in the styles that are met in the wild.

export const MANIFESTS: readonly string[] = [
  `apiVersion: apps/v1
kind: Deployment
metadata:
  name: trainer
  namespace: ml
  labels: {app: trainer, "app.kubernetes.io/part-of": platform}
  annotations:
    note: "a \\"quoted\\" word, and \\u00e9"
    url: https://example.com:8443/#top
spec:
  replicas: 3   # of them
  selector:
    matchLabels:
      app: trainer
  template:
    metadata: {labels: {app: trainer}}
    spec:
      containers:
      - name: main
        image: registry.example/trainer:1.20
        command: ["sh", "-c", 'exec "$0"']
        args:
        - --listen=:8080
        - |
          first line
            deeper

          last line
        env:
          - {name: A, value: "1"}
          - name: B
            value: 'it''s'
        ports: [{containerPort: 8080, name: http}, {containerPort: 9090}]
        securityContext:
          runAsNonRoot: true
          capabilities:
            drop: [ALL]
`,
  `# what comes first
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  empty: ""
  folded: >-
    some words
    that go on

    and a paragraph
  kept: |+
    text

  plain: several words
    on two lines
  mode: 0644
  port: 8080
  on: yes
  nothing:
  tilde: ~
  script.sh: |
    #!/bin/sh
    # not a comment
    echo "a: b"
binaryData: {}
`,
  `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: web
  spec:
    ports:
    - port: 80
      targetPort: http
    selector: {app: web}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata:
    name: deny
  spec:
    podSelector: {}
    policyTypes: [Ingress, Egress]
    egress:
    - to:
      - ipBlock:
          cidr: 10.0.0.0/8
          except:
          - 10.1.0.0/16
      ports:
      - {protocol: UDP, port: 53}
-
  apiVersion: v1
  kind: Secret
  metadata: {name: s}
  stringData: {password: "x y"}
`,
  `kind: Pod
apiVersion: v1
metadata: { name: p,
  namespace: n, labels: {a: b,
    c: "d"} }
spec:
    containers:
        -   name: one
            image: 'i:1'
        -   name: two
            args: [
              --a,   # why
              "--b=c, d",
            ]
    tolerations: []
    nodeSelector:   {}
    priority: -10
    weight: 1.5e3
`,
];
