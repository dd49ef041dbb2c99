export * from './manual-clock.testkit';
export { describeWithEtcd } from './etcd/testkit/describe-with-etcd';
export { startEtcdCluster, type EtcdCluster } from './etcd/testkit/etcd-cluster';
export { EtcdProcess, startEtcd, type EtcdOptions, type ServerCertificates } from './etcd/testkit/etcd-process';
export { etcdctl } from './etcd/testkit/etcdctl';
export { findEtcd } from './etcd/testkit/find-etcd';
