export * from './meta-store';
export * from './clock';
export { KEY_BYTES_MAX } from './key-bytes';
export { EmbeddedMetaStore } from './embedded/embedded-meta-store';
export { openEmbeddedStore, type EmbeddedStoreOptions } from './embedded/open-embedded-store';
export { EtcdMetaStore } from './etcd/etcd-meta-store';
export { openEtcdStore, type EtcdStoreOptions } from './etcd/open-etcd-store';
export { parseStoreAddress, type StoreAddress } from './etcd/store-address';
