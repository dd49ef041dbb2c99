import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';

/** Finds the files of a descriptor set by what they define: what server reflection asks for. */
export class DescriptorIndex {
  private readonly files = new Map<string, FileDescriptorProto>();
  /** Full name of a service, method, message, field, oneof, enum, enum value or extension → its file. */
  private readonly fileBySymbol = new Map<string, string>();
  /** Full name of a message → numbers of the extensions it has → their files. */
  private readonly extensions = new Map<string, Map<number, string>>();
  private readonly messages = new Set<string>();

  /** @param set an encoded google.protobuf.FileDescriptorSet */
  constructor(set: Uint8Array) {
    for (const file of fromBinary(FileDescriptorSetSchema, set).file) this.addFile(file);
  }

  /** The encoded file and all that it imports, itself first; undefined when there is no such file. */
  fileNamed(name: string): Uint8Array[] | undefined {
    if (!this.files.has(name)) return undefined;
    return this.withImports(name).map((file) => toBinary(FileDescriptorProtoSchema, file));
  }

  /** The file that defines `symbol`, with its imports. */
  fileOf(symbol: string): Uint8Array[] | undefined {
    const name = this.fileBySymbol.get(symbol);
    return name === undefined ? undefined : this.fileNamed(name);
  }

  /** The file that defines extension `number` of message `type`, with its imports. */
  fileOfExtension(type: string, number: number): Uint8Array[] | undefined {
    const name = this.extensions.get(type)?.get(number);
    return name === undefined ? undefined : this.fileNamed(name);
  }

  /** The numbers of the extensions of message `type`; undefined when there is no such message. */
  extensionNumbersOf(type: string): number[] | undefined {
    if (!this.messages.has(type)) return undefined;
    return [...(this.extensions.get(type)?.keys() ?? [])].sort((a, b) => a - b);
  }

  private withImports(name: string): FileDescriptorProto[] {
    const found = new Set<FileDescriptorProto>();
    const visit = (next: string): void => {
      const file = this.files.get(next);
      if (file === undefined || found.has(file)) return;
      found.add(file);
      file.dependency.forEach(visit);
    };
    visit(name);
    return [...found];
  }

  private addFile(file: FileDescriptorProto): void {
    const within = (name: string): string => (file.package === '' ? name : `${file.package}.${name}`);
    const define = (symbol: string): void => void this.fileBySymbol.set(symbol, file.name);
    this.files.set(file.name, file);
    for (const service of file.service) {
      define(within(service.name));
      for (const method of service.method) define(`${within(service.name)}.${method.name}`);
    }
    for (const message of file.messageType) this.addMessage(within(message.name), message, file.name);
    for (const enumeration of file.enumType) this.addEnum(within(enumeration.name), enumeration, file.name);
    for (const extension of file.extension) this.addExtension(within(extension.name), extension, file.name);
  }

  private addMessage(fullName: string, message: DescriptorProto, file: string): void {
    this.messages.add(fullName);
    this.fileBySymbol.set(fullName, file);
    for (const { name } of [...message.field, ...message.oneofDecl]) this.fileBySymbol.set(`${fullName}.${name}`, file);
    for (const nested of message.nestedType) this.addMessage(`${fullName}.${nested.name}`, nested, file);
    for (const nested of message.enumType) this.addEnum(`${fullName}.${nested.name}`, nested, file);
    for (const extension of message.extension) this.addExtension(`${fullName}.${extension.name}`, extension, file);
  }

  private addEnum(fullName: string, enumeration: EnumDescriptorProto, file: string): void {
    this.fileBySymbol.set(fullName, file);
    // A value's name lives beside its enum, not in it.
    const scope = fullName.slice(0, fullName.lastIndexOf('.') + 1);
    for (const { name } of enumeration.value) this.fileBySymbol.set(`${scope}${name}`, file);
  }

  private addExtension(fullName: string, extension: FieldDescriptorProto, file: string): void {
    this.fileBySymbol.set(fullName, file);
    const type = extension.extendee.replace(/^\./, '');
    const numbers = this.extensions.get(type) ?? new Map<number, string>();
    this.extensions.set(type, numbers.set(extension.number, file));
  }
}
