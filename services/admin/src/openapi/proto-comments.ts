import type { DescEnum, DescField, DescFile, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';

type Described = DescService | DescMethod | DescMessage | DescField | DescEnum;

// Numbers of fields in FileDescriptorProto and its parts, of which the paths of comments are made.
const FILE_MESSAGE = 4;
const FILE_ENUM = 5;
const FILE_SERVICE = 6;
const SERVICE_METHOD = 2;
const MESSAGE_FIELD = 2;
const MESSAGE_NESTED = 3;
const MESSAGE_ENUM = 4;

/** The comment that stands at a definition in its .proto file, as one paragraph; "" where there is none. */
export function commentOf(described: Described): string {
  const path = pathOf(described).join('.');
  const location = fileOf(described).proto.sourceCodeInfo?.location.find((other) => other.path.join('.') === path);
  const comments = [location?.leadingComments, location?.trailingComments];
  return comments
    .flatMap((comment) => (comment === undefined ? [] : comment.split('\n').map((line) => line.trim())))
    .filter((line) => line !== '')
    .join(' ');
}

function fileOf(described: Described): DescFile {
  switch (described.kind) {
    case 'rpc':
    case 'field':
      return described.parent.file;
    default:
      return described.file;
  }
}

function pathOf(described: Described): readonly number[] {
  switch (described.kind) {
    case 'service':
      return [FILE_SERVICE, described.file.services.indexOf(described)];
    case 'rpc':
      return [...pathOf(described.parent), SERVICE_METHOD, described.parent.methods.indexOf(described)];
    case 'field':
      return [...pathOf(described.parent), MESSAGE_FIELD, described.parent.fields.indexOf(described)];
    case 'message':
      return described.parent === undefined
        ? [FILE_MESSAGE, described.file.messages.indexOf(described)]
        : [...pathOf(described.parent), MESSAGE_NESTED, described.parent.nestedMessages.indexOf(described)];
    case 'enum':
      return described.parent === undefined
        ? [FILE_ENUM, described.file.enums.indexOf(described)]
        : [...pathOf(described.parent), MESSAGE_ENUM, described.parent.nestedEnums.indexOf(described)];
  }
}
