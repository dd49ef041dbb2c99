import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { commentOf } from './proto-comments';

/** A JSON schema, as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Collects the schemas of messages and enums, each once, by its full name. They follow ProtoJSON. */
export class JsonSchemas {
  private readonly found = new Map<string, JsonSchema>();

  /** A reference to a message's schema. */
  of(message: DescMessage): JsonSchema {
    this.add(message);
    return referenceTo(message.typeName);
  }

  /** All that was asked for, and what that refers to. */
  all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.found].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  private add(message: DescMessage): void {
    if (this.found.has(message.typeName)) return;
    this.found.set(message.typeName, {}); // a message may contain itself
    this.found.set(message.typeName, {
      type: 'object',
      ...described(commentOf(message)),
      properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, this.field(field)])),
      additionalProperties: false,
    });
  }

  private field(field: DescField): JsonSchema {
    return { ...this.type(field), ...described(commentOf(field)) };
  }

  private type(field: DescField): JsonSchema {
    switch (field.fieldKind) {
      case 'scalar':
        return scalar(field.scalar);
      case 'enum':
        return this.enumeration(field.enum);
      case 'message':
        return this.of(field.message);
      case 'list':
        return { type: 'array', items: this.element(field) };
      case 'map':
        return { type: 'object', additionalProperties: this.element(field) };
    }
  }

  private element(field: DescField & { fieldKind: 'list' | 'map' }): JsonSchema {
    if (field.enum !== undefined) return this.enumeration(field.enum);
    if (field.message !== undefined) return this.of(field.message);
    return scalar(field.scalar);
  }

  private enumeration(enumeration: DescEnum): JsonSchema {
    this.found.set(enumeration.typeName, {
      type: 'string',
      enum: enumeration.values.map(({ name }) => name),
      ...described(commentOf(enumeration)),
    });
    return referenceTo(enumeration.typeName);
  }
}

export function referenceTo(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** 64-bit numbers are strings in ProtoJSON, since JavaScript's numbers would lose digits. */
function scalar(type: ScalarType): JsonSchema {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: 'integer', format: 'int32' };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', format: 'uint32', minimum: 0 };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: 'string', format: 'uint64', pattern: '^[0-9]+$' };
  }
}

function described(description: string): JsonSchema {
  return description === '' ? {} : { description };
}
