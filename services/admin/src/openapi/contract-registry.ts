import { readDescriptorSet } from '@bms/contracts';
import { createFileRegistry, fromBinary, type DescMethod, type FileRegistry } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ManagementMethod } from '../management-method';

/** The definitions behind the management API, as they are written in proto/. */
export class ContractRegistry {
  readonly files: FileRegistry;

  /** @param set an encoded FileDescriptorSet; the committed one by default */
  constructor(set: Uint8Array = readDescriptorSet()) {
    this.files = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
  }

  /** A method's definition, with the messages that it takes and gives. */
  methodOf({ service, name }: ManagementMethod): DescMethod {
    const found = this.files.getService(service.fullName)?.methods.find((method) => method.name === name);
    if (found !== undefined) return found;
    throw new Error(`${service.fullName}/${name} is not in the descriptor set: run "npm run generate"`);
  }
}
