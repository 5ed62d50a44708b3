// What the objects of a cluster say of a network, a pool of adapters, or a claim: the kind of fabric, and the partition.

import { describe, expect, it } from 'vitest';
import { findAllRdmaAccess } from '../../../src/audit/rdma/access.ts';
import { clusterOf } from '../inventory.ts';

const pod = (spec: string, annotations = ''): string => `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: ml, annotations: { ${annotations} } }
spec: { ${spec} containers: [{ name: a, image: a }] }
---`;
const onNetwork = pod('', 'k8s.v1.cni.cncf.io/networks: net');
const withResource = (resource: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: ml }
spec: { containers: [{ name: a, image: a, resources: { limits: { ${resource}: 1 } } }] }
---`;
const withClaim = pod('resourceClaims: [{ name: c, resourceClaimName: claim }],');
const object = (kind: string, apiVersion: string, rest: string): string => `
apiVersion: ${apiVersion}
kind: ${kind}
${rest}
---`;
const named = 'metadata: { name: net, namespace: ml }';
const attachment = (config: string, annotations = ''): string =>
  object(
    'NetworkAttachmentDefinition',
    'k8s.cni.cncf.io/v1',
    `metadata: { name: net, namespace: ml, annotations: { ${annotations} } }\nspec: { config: '${config}' }`,
  );
const SRIOV = 'sriovnetwork.openshift.io/v1';
const NVIDIA = 'mellanox.com/v1alpha1';
const pool = (body: string): string =>
  object('ConfigMap', 'v1', `metadata: { name: plugin, namespace: kube-system }\ndata: { config.json: '${body}' }`);
const claim = (rest: string): string =>
  object('ResourceClaim', 'resource.k8s.io/v1', `metadata: { name: claim, namespace: ml }\n${rest}`);

describe('findAllRdmaAccess', () => {
  it.each<[string, string, string, string | null]>([
    ['ib-sriov', attachment('{"type":"ib-sriov","pkey":"0x6"}'), 'infiniband', 'pkey 0x0006'],
    ['a numeric key', attachment('{"type":"ib-sriov","pkey":6}'), 'infiniband', 'pkey 0x0006'],
    ['a key that is none', attachment('{"type":"ib-sriov","pkey":"blue"}'), 'infiniband', 'pkey 0x7fff'],
    ['plain SR-IOV', attachment('{"type":"sriov","vlan":7}'), 'sr-iov', 'vlan 7'],
    [
      'SR-IOV with the rdma plugin',
      attachment('{"plugins":[{"type":"sriov","vlan":7},{"type":"rdma"}]}'),
      'rdma',
      'vlan 7',
    ],
    [
      'SR-IOV of a pool',
      attachment('{"type":"sriov"}', 'k8s.v1.cni.cncf.io/resourceName: nvidia.com/roce'),
      'roce',
      'untagged',
    ],
    ['a configuration in another', attachment('{"config":{"type":"sriov","vlan":7}}'), 'sr-iov', 'vlan 7'],
    ['a host device', attachment('{"type":"host-device","device":"ens1"}'), 'adapter', null],
    ['a host device of AMD', attachment('{"type":"amd-host-device"}'), 'roce', null],
    [
      'SriovNetwork',
      object('SriovNetwork', SRIOV, `${named}\nspec: { resourceName: x, vlan: 12 }`),
      'sr-iov',
      'vlan 12',
    ],
    [
      'SriovIBNetwork',
      object('SriovIBNetwork', SRIOV, `${named}\nspec: { resourceName: x }`),
      'infiniband',
      'pkey 0x7fff',
    ],
    [
      'SriovNetwork for another namespace',
      object(
        'SriovNetwork',
        SRIOV,
        'metadata: { name: net, namespace: op }\nspec: { networkNamespace: ml, resourceName: mlnx, vlan: 3 }',
      ),
      'rdma',
      'vlan 3',
    ],
    [
      'IPoIBNetwork',
      object('IPoIBNetwork', NVIDIA, 'metadata: { name: net }\nspec: { networkNamespace: ml, master: ibs3.8004 }'),
      'infiniband',
      'pkey 0x0004',
    ],
    [
      'HostDeviceNetwork',
      object(
        'HostDeviceNetwork',
        NVIDIA,
        'metadata: { name: net }\nspec: { networkNamespace: ml, resourceName: rdma_host }',
      ),
      'rdma',
      null,
    ],
    [
      'Spiderpool over InfiniBand',
      object(
        'SpiderMultusConfig',
        'spiderpool.spidernet.io/v2beta1',
        `${named}\nspec: { cniType: ib-sriov, ibsriov: { pkey: "0x9" } }`,
      ),
      'infiniband',
      'pkey 0x0009',
    ],
    [
      'Spiderpool over IPoIB',
      object(
        'SpiderMultusConfig',
        'spiderpool.spidernet.io/v2beta1',
        `${named}\nspec: { cniType: ipoib, ipoib: { master: ib0.8005 } }`,
      ),
      'infiniband',
      'pkey 0x0005',
    ],
    [
      'Spiderpool over SR-IOV',
      object(
        'SpiderMultusConfig',
        'spiderpool.spidernet.io/v2beta1',
        `${named}\nspec: { cniType: sriov, sriov: { enableRdma: true, vlanID: 5 } }`,
      ),
      'rdma',
      'vlan 5',
    ],
    [
      'Spiderpool over macvlan with RDMA',
      object(
        'SpiderMultusConfig',
        'spiderpool.spidernet.io/v2beta1',
        `${named}\nspec: { cniType: macvlan, macvlan: { master: [eth1], rdmaResourceName: spidernet.io/x } }`,
      ),
      'rdma',
      'untagged',
    ],
  ])('tells a network of %s', (_name, objects, transport, partition) => {
    const [access] = clusterOf(onNetwork + objects)
      .once(findAllRdmaAccess)
      .values();
    expect(access).toMatchObject({
      kind: 'access',
      evidence: [{ source: 'network-attachment', name: 'net', transport }],
    });
    expect(access?.kind === 'access' && (access.evidence[0].partition?.key ?? null)).toBe(partition);
  });

  it.each<[string, string, string, string, string]>([
    ['the shared device plugin', 'rdma/a', pool('{"configList":[{"resourceName":"a"}]}'), 'rdma', 'ConfigMap plugin'],
    [
      'a prefix of its own',
      'x.example/a',
      pool('{"configList":[{"resourceName":"a","resourcePrefix":"x.example"}]}'),
      'rdma',
      'ConfigMap plugin',
    ],
    [
      'the SR-IOV device plugin',
      'intel.com/a',
      pool('{"resourceList":[{"resourceName":"a","selectors":{"isRdma":true}}]}'),
      'rdma',
      'ConfigMap plugin',
    ],
    [
      'InfiniBand of the SR-IOV device plugin',
      'intel.com/a',
      pool(
        '{"resourceList":[{"resourceName":"a","selectors":[{"pfNames":["x"]},{"isRdma":true,"linkTypes":["infiniband"]}]}]}',
      ),
      'infiniband',
      'ConfigMap plugin',
    ],
    [
      'functions without RDMA',
      'intel.com/a',
      pool('{"resourceList":[{"resourceName":"a","selectors":{}}]}'),
      'sr-iov',
      'ConfigMap plugin',
    ],
    [
      'a policy for InfiniBand',
      'any.example/a',
      object('SriovNetworkNodePolicy', SRIOV, `${named}\nspec: { resourceName: a, linkType: IB }`),
      'infiniband',
      'SriovNetworkNodePolicy net',
    ],
    [
      'a policy for RoCE',
      'any.example/a',
      object('SriovNetworkNodePolicy', SRIOV, `${named}\nspec: { resourceName: a, isRdma: true }`),
      'roce',
      'SriovNetworkNodePolicy net',
    ],
    [
      'a policy of the network operator',
      'rdma/a',
      object(
        'NicClusterPolicy',
        NVIDIA,
        `metadata: { name: nic }\nspec: { rdmaSharedDevicePlugin: { config: '{"configList":[{"resourceName":"a"}]}' } }`,
      ),
      'rdma',
      'NicClusterPolicy nic',
    ],
  ])('tells a resource of %s', (_name, resource, objects, transport, by) => {
    const [access] = clusterOf(withResource(resource) + objects)
      .once(findAllRdmaAccess)
      .values();
    expect(access).toMatchObject({
      kind: 'access',
      evidence: [{ source: 'extended-resource', transport, detail: `requests \`${resource}\`, declared by ${by}` }],
    });
  });

  const gke = (mode: string): string =>
    object(
      'Network',
      'networking.gke.io/v1',
      'metadata: { name: north }\nspec: { type: Device, parametersRef: { name: set } }',
    ) +
    object(
      'GKENetworkParamSet',
      'networking.gke.io/v1',
      `metadata: { name: set }\nspec: { vpc: rails, deviceMode: ${mode} }`,
    );

  it.each<[string, string]>([
    ['RDMA', 'roce'],
    ['NetDevice', 'adapter'],
    ['DPDK-VFIO', 'sr-iov'],
  ])('tells a network of GKE in mode %s, by either of its resources', (mode, transport) => {
    for (const resource of ['networking.gke.io.networks/north', 'networking.gke.io.networks/north.IP']) {
      const [access] = clusterOf(withResource(resource) + gke(mode))
        .once(findAllRdmaAccess)
        .values();
      expect(access).toMatchObject({ kind: 'access', evidence: [{ transport, partition: { key: 'network rails' } }] });
    }
  });

  it('takes the partition of a claim from the network that its configuration names', () => {
    const claimed = claim(
      'spec: { devices: { requests: [{ name: r, exactly: { deviceClassName: sriovnetwork.k8snetworkplumbingwg.io } }], config: [{ opaque: { driver: d, parameters: { netAttachDefName: net } } }] } }',
    );
    const [access] = clusterOf(withClaim + claimed + attachment('{"type":"sriov","vlan":44}'))
      .once(findAllRdmaAccess)
      .values();
    expect(access).toMatchObject({
      kind: 'access',
      evidence: [{ source: 'resource-claim', partition: { key: 'vlan 44' } }],
    });
  });

  it('takes what a claim has been given for what it is', () => {
    const claimed = claim(
      'spec: { devices: { requests: [{ name: r, exactly: { deviceClassName: house.example } }] } }\nstatus: { allocation: { devices: { results: [{ driver: rdma.nvidia.com, device: mlx5_0 }] } } }',
    );
    const [access] = clusterOf(withClaim + claimed)
      .once(findAllRdmaAccess)
      .values();
    expect(access).toMatchObject({ kind: 'access', evidence: [{ source: 'resource-claim', name: 'rdma.nvidia.com' }] });
  });

  it.each<[string, string, string]>([
    ['device.attributes["dra.net"].rdma == true', 'dra.net', 'rdma'],
    ['device.attributes["dra.net"].rdmaDevice != ""', 'dra.net', 'rdma'],
    ["device.attributes['dra.net'].pciDevice == 'Elastic Fabric Adapter (EFA)'", 'dra.net', 'efa'],
    ['device.attributes["sriovnetwork.k8snetworkplumbingwg.io"].cxiCapable == true', 'x', 'slingshot'],
    ['device.attributes["dra.net"].numaNode == 1', 'dra.net', 'adapter'],
    ['device.attributes["dra.net"].rdma == false', 'dra.net', 'adapter'],
  ])('narrows a claim by its selector: %s', (expression, driver, transport) => {
    const deviceClass = object(
      'DeviceClass',
      'resource.k8s.io/v1',
      `metadata: { name: c }\nspec: { selectors: [{ cel: { expression: 'device.driver == "${driver === 'x' ? 'dra.net' : driver}"' } }] }`,
    );
    const claimed = claim(
      `spec: { devices: { requests: [{ name: r, exactly: { deviceClassName: c, selectors: [{ cel: { expression: ${JSON.stringify(expression)} } }] } }] } }`,
    );
    const [access] = clusterOf(withClaim + claimed + deviceClass)
      .once(findAllRdmaAccess)
      .values();
    expect(access).toMatchObject({ kind: 'access', evidence: [{ transport }] });
  });
});
