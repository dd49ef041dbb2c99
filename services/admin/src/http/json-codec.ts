import { BmsError, Reason, type FieldViolation } from '@bms/contracts';
import type { Bytes } from '@bms/transport';
import { fromBinary, fromJson, toBinary, toJson, type DescMessage, type JsonValue } from '@bufbuild/protobuf';
import type { ContractRegistry } from '../openapi/contract-registry';

/**
 * Between ProtoJSON and a message's bytes. It goes by the definitions, not by the generated fromJSON: that one drops what it
 * does not know and turns whatever it gets into something, and a misspelt key must not be lost in silence.
 */
export class JsonCodec {
  constructor(private readonly registry: ContractRegistry) {}

  /** Throws INVALID_REQUEST (INVALID_CONFIG for a version's config) that names the key or field and what is allowed. */
  encode(message: DescMessage, value: unknown): Bytes {
    try {
      return toBinary(message, fromJson(message, value as JsonValue, { registry: this.registry.files }));
    } catch (cause) {
      throw this.explained(cause as Error);
    }
  }

  /** Fields without a value are written, too, so that a reader finds every key of the schema. */
  decode(message: DescMessage, bytes: Bytes): unknown {
    return toJson(message, fromBinary(message, bytes), { registry: this.registry.files, alwaysEmitImplicit: true });
  }

  private explained(error: Error): BmsError {
    const text = error.message;
    const unknownKey = /^cannot decode message ([\w.]+) from JSON: key "(.*)" is unknown$/s.exec(text);
    if (unknownKey !== null) {
      const [, typeName = '', key = ''] = unknownKey;
      const allowed = this.registry.files.getMessage(typeName)?.fields.map(({ jsonName }) => jsonName) ?? [];
      return refusal(typeName, key, `is not a key of ${shortName(typeName)}: allowed are ${allowed.join(', ')}`, error);
    }
    const wrongValue = /^cannot decode field ([\w.]+)\.(\w+) from JSON: (.*)$/s.exec(text);
    if (wrongValue !== null) {
      const [, typeName = '', field = '', why = ''] = wrongValue;
      return refusal(typeName, field, why, error);
    }
    const wrongEnum = /^cannot decode enum ([\w.]+) from JSON: (.*)$/s.exec(text);
    if (wrongEnum !== null) {
      const [, typeName = '', given = ''] = wrongEnum;
      const allowed = this.registry.files.getEnum(typeName)?.values.map(({ name }) => name) ?? [];
      return refusal(typeName, shortName(typeName), `${given} is not allowed: one of ${allowed.join(', ')}`, error);
    }
    return refusal('', 'body', 'a JSON object is needed', error);
  }
}

const CONFIG_TYPE = 'bms.models.v1.VersionConfig';

function refusal(typeName: string, field: string, description: string, cause: Error): BmsError {
  const violations: readonly FieldViolation[] = [{ field, description: description.slice(0, 500) }];
  const reason = typeName === CONFIG_TYPE ? Reason.INVALID_CONFIG : Reason.INVALID_REQUEST;
  return new BmsError(reason, `${field}: ${description.slice(0, 500)}`, { violations, cause });
}

function shortName(typeName: string): string {
  return typeName.slice(typeName.lastIndexOf('.') + 1);
}
