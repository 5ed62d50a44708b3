// The kinds of fabric.

/** `rdma`: InfiniBand or RoCE, the template does not tell. `adapter`: one handed over, perhaps without RDMA. */
export type Transport =
  | 'infiniband'
  | 'roce'
  | 'efa'
  | 'rdma'
  | 'slingshot'
  | 'omni-path'
  | 'gpudirect-tcpx'
  | 'sr-iov'
  | 'adapter';
