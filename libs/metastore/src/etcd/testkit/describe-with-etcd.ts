import { findEtcd } from './find-etcd';

/** A `describe` that needs a real etcd: skipped, and so named at the end of the run, where none is installed. */
export function describeWithEtcd(name: string, define: () => void): void {
  if (findEtcd() === undefined) describe.skip(`${name} (needs etcd on the PATH, or its path in BMS_ETCD)`, define);
  else describe(name, define);
}
