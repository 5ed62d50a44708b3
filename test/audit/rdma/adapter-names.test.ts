import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { transportOfName, transportOfResource } from '../../../src/audit/rdma/adapter-names.ts';
import type { Transport } from '../../../src/audit/rdma/transport.ts';

describe('transportOfResource', () => {
  it.each<[string, Transport | null]>([
    ['rdma/hca_shared_devices_a', 'rdma'],
    ['rdma/rdma_shared_device_eth', 'rdma'],
    ['rdma/ib', 'infiniband'],
    ['rdma/roce_gdr', 'roce'],
    ['rdma/mlnx_shared', 'rdma'],
    ['rdma/pool_a', 'rdma'],
    ['nvidia.com/hostdev', 'adapter'],
    ['nvidia.com/mlnxnics', 'rdma'],
    ['nvidia.com/sriovlegacy', 'sr-iov'],
    ['nvidia.com/sriov_rdma_vf', 'rdma'],
    ['nvidia.com/mlnx_sriov_netdevice', 'rdma'],
    ['nvidia.com/resibp154s0', 'infiniband'],
    ['nvidia.com/cx6dx_vf', 'rdma'],
    ['nvidia.com/vf', 'sr-iov'],
    ['mellanox.com/mlnx_sriov_rdma_ib', 'infiniband'],
    ['vpc.amazonaws.com/efa', 'efa'],
    ['intel.com/intel_sriov_dpdk', 'sr-iov'],
    ['openshift.io/mlnxRoCE', 'rdma'],
    ['openshift.io/sriovnic', 'sr-iov'],
    ['spidernet.io/mellanoxibsriov', 'infiniband'],
    ['spidernet.io/gpu1sriov', 'sr-iov'],
    ['spidernet.io/shared_cx5_gpu1', 'rdma'],
    ['amd.com/nic', 'roce'],
    ['amd.com/vnic', 'roce'],
    ['beta.hpe.com/cxi', 'slingshot'],
    ['cornelis.example/hfi', 'omni-path'],
    ['aliyun/erdma', 'rdma'],
    ['koordinator.sh/rdma', 'rdma'],
    ['vke.volcengine.com/rdma', 'rdma'],
    ['devices.example/infiniband_uverbs0', 'infiniband'],
    ['nvidia.com/gpu', null],
    ['nvidia.com/gpu.shared', null],
    ['nvidia.com/mig-3g.20gb', null],
    ['nvidia.com/pgpu', null],
    ['amd.com/gpu', null],
    ['intel.com/qat', null],
    ['google.com/tpu', null],
    ['habana.ai/gaudi', null],
    ['aws.amazon.com/neuron', null],
    ['vpc.amazonaws.com/pod-eni', null],
    ['aliyun/eni', null],
    ['tke.cloud.tencent.com/eni-ip', null],
    ['devices.kubevirt.io/kvm', null],
    ['example.com/nic', null],
    ['example.com/hardmax', null],
    ['example.com/wordmap', null],
    ['example.com/shared-lib', null],
    ['example.com/vfat', null],
    ['rdma.example.com/licence', null],
    ['cpu', null],
    ['memory', null],
    ['hugepages-1Gi', null],
    ['rdma', null],
    ['', null],
  ])('%s', (resource, expected) => {
    expect(transportOfResource(resource)).toBe(expected);
  });

  it('takes the name apart only after the domain, and never breaks on it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z.-]{1,20}$/), fc.string({ maxLength: 40 }), (domain, local) => {
        transportOfResource(local);
        expect(transportOfResource(`${domain}.example/gpu`)).toBeNull();
      }),
    );
  });
});

describe('transportOfName', () => {
  it.each<[string, Transport | null]>([
    ['rdma-0', 'rdma'],
    ['sriov-rdma-rail3', 'rdma'],
    ['ib-sriov-network', 'infiniband'],
    ['ipoib-net', 'infiniband'],
    ['roce-vlan210', 'roce'],
    ['tenant-b', null],
    ['vpc1', null],
    ['standard-maps', null],
  ])('%s', (name, expected) => {
    expect(transportOfName(name)).toBe(expected);
  });
});
