import type { ExternalDataFiles } from './external-data';
import { invalidModel } from './invalid-model';
import { expectWireType, VARINT, type WireCursor, type WireField } from './wire-cursor';

const EXTERNAL = 1;
const DIMENSIONS_MAX = 64;
const ENTRIES_MAX = 32;

/** Reads a TensorProto's name, skipping its data; notes where external data lies. */
export async function readTensor(cursor: WireCursor, field: WireField, files: ExternalDataFiles): Promise<string> {
  let name = '';
  let elementType = 0;
  let isExternal = false;
  const dims: number[] = [];
  const entries = new Map<string, string>();
  await cursor.message(field, async (part) => {
    switch (part.number) {
      case 1:
        await readDims(cursor, part, dims);
        break;
      case 2:
        expectWireType(part, VARINT);
        elementType = part.value;
        break;
      case 8:
        name = await cursor.text(part, 'the name of a weight');
        break;
      case 13:
        if (entries.size === ENTRIES_MAX)
          throw invalidModel(`a weight has over ${ENTRIES_MAX} entries of external data`);
        entries.set(...(await readEntry(cursor, part)));
        break;
      case 14:
        expectWireType(part, VARINT);
        isExternal = part.value === EXTERNAL;
    }
  });
  if (isExternal) files.add({ dims, elementType, entries });
  return name;
}

/** Reads a SparseTensorProto's name, which is that of its values. */
export async function readSparseTensor(
  cursor: WireCursor,
  field: WireField,
  files: ExternalDataFiles,
): Promise<string> {
  let name = '';
  await cursor.message(field, async (part) => {
    if (part.number === 1) name = await readTensor(cursor, part, files);
    if (part.number === 2) await readTensor(cursor, part, files);
  });
  return name;
}

/** Reads a StringStringEntryProto. */
export async function readEntry(cursor: WireCursor, field: WireField): Promise<[key: string, value: string]> {
  let key = '';
  let value = '';
  await cursor.message(field, async (part) => {
    if (part.number === 1) key = await cursor.text(part, 'a key');
    if (part.number === 2) value = await cursor.text(part, 'a value');
  });
  return [key, value];
}

/** dims are written one by one by most, packed by some. */
async function readDims(cursor: WireCursor, field: WireField, dims: number[]): Promise<void> {
  if (field.wireType === VARINT) dims.push(field.value);
  else dims.push(...(await cursor.packedVarints(field, DIMENSIONS_MAX)));
  if (dims.length > DIMENSIONS_MAX) throw invalidModel(`a weight has more than ${DIMENSIONS_MAX} dimensions`);
}
