import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { BmsError, inference, Reason } from '@bms/contracts';
import { readInferRequestHead, type InferRequestHead } from './infer-request-head';

const { ModelInferRequest } = inference;

/** What the generated code reads; undefined where it throws. */
function reference(bytes: Uint8Array): InferRequestHead | undefined {
  try {
    const { modelName, modelVersion, id, parameters } = ModelInferRequest.decode(bytes);
    return { modelName, modelVersion, id, parameters: new Map(Object.entries(parameters)) };
  } catch {
    return undefined;
  }
}

/** What the scanner reads; undefined where it throws INVALID_REQUEST, as it must. */
function scanned(bytes: Uint8Array): InferRequestHead | undefined {
  try {
    return readInferRequestHead(bytes);
  } catch (error) {
    expect(BmsError.is(error, Reason.INVALID_REQUEST)).toBe(true);
    return undefined;
  }
}

const request = ModelInferRequest.create({
  modelName: 'digits',
  modelVersion: 'stable',
  id: 'zwölf 12',
  parameters: {
    priority: { parameterChoice: { $case: 'int64Param', value: 7n } },
    route: { parameterChoice: { $case: 'stringParam', value: 'eu' } },
    empty: {},
  },
  inputs: [
    { name: 'a', datatype: 'FP32', shape: [2n, -1n], contents: { fp32Contents: [1, 2, 3] } },
    {
      name: 'b',
      datatype: 'BYTES',
      shape: [1n],
      parameters: { x: { parameterChoice: { $case: 'boolParam', value: true } } },
    },
  ],
  outputs: [{ name: 'c' }],
  rawInputContents: [new Uint8Array([1, 2, 3, 4]), new Uint8Array(300)],
});
const encoded = ModelInferRequest.encode(request).finish();

function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The outermost fields of a message, each with its tag. */
function fieldsOf(bytes: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    let end = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[end++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    fields.push(bytes.subarray(at, end + length));
    at = end + length;
  }
  return fields;
}

const unknownFields = [
  new BinaryWriter()
    .uint32((99 << 3) | 0)
    .uint64(2n ** 64n - 1n)
    .finish(),
  new BinaryWriter()
    .uint32((100 << 3) | 1)
    .fixed64(7n)
    .finish(),
  new BinaryWriter()
    .uint32((101 << 3) | 2)
    .bytes(new Uint8Array([1, 2, 3]))
    .finish(),
  new BinaryWriter()
    .uint32((102 << 3) | 5)
    .fixed32(7)
    .finish(),
  new BinaryWriter()
    .uint32((536_870_911 << 3) >>> 0)
    .uint32(1)
    .finish(),
  // A group with a group and every kind of field in it.
  Uint8Array.of(0xfb, 0x07, 0x08, 0x96, 0x01, 0x13, 0x1a, 0x01, 0x61, 0x14, 0x25, 1, 2, 3, 4, 0xfc, 0x07),
  // model_name, model_version and id with wire types that are not theirs.
  new BinaryWriter()
    .uint32((1 << 3) | 0)
    .uint32(5)
    .finish(),
  new BinaryWriter()
    .uint32((2 << 3) | 5)
    .fixed32(5)
    .finish(),
  new BinaryWriter()
    .uint32((3 << 3) | 1)
    .fixed64(5n)
    .finish(),
];

describe('readInferRequestHead', () => {
  it('reads name, version, id and parameters', () => {
    expect(readInferRequestHead(encoded)).toEqual(reference(encoded));
    expect(readInferRequestHead(encoded)).toMatchObject({
      modelName: 'digits',
      modelVersion: 'stable',
      id: 'zwölf 12',
    });
  });

  it('reads an empty message', () => {
    expect(readInferRequestHead(new Uint8Array())).toEqual(reference(new Uint8Array()));
  });

  it('agrees with the generated code when the message breaks off, at every byte', () => {
    let refused = 0;
    for (let length = 0; length <= encoded.length; length++) {
      const bytes = encoded.subarray(0, length);
      expect([length, scanned(bytes)]).toEqual([length, reference(bytes)]);
      if (scanned(bytes) === undefined) refused++;
    }
    expect(refused).toBeGreaterThan(encoded.length - 20);
  });

  it.each([1, 2, 3, 4, 5])('agrees when fields are unknown, repeated and in another order (seed %i)', (seed) => {
    const below = seeded(seed);
    const pool = [
      ...fieldsOf(encoded),
      ...unknownFields,
      ...fieldsOf(ModelInferRequest.encode({ ...request, modelName: 'other', id: '' }).finish()),
    ];
    for (let round = 0; round < 200; round++) {
      const parts = Array.from({ length: below(12) }, () => pool[below(pool.length)] as Uint8Array);
      const bytes = Buffer.concat(parts);
      expect(reference(bytes)).toBeDefined();
      expect(scanned(bytes)).toEqual(reference(bytes));
    }
  });

  it.each([1, 2, 3])(
    'refuses garbage with INVALID_REQUEST or reads it, and never throws otherwise (seed %i)',
    (seed) => {
      const below = seeded(seed);
      for (let round = 0; round < 2_000; round++) {
        const bytes = Uint8Array.from(encoded);
        for (let flips = 0; flips <= below(4); flips++) bytes[below(bytes.length)] = below(256);
        scanned(bytes.subarray(below(20)));
      }
    },
  );

  it.each([
    ['a field of number 0', [0x02, 0x00], 'no such field'],
    ['a wire type that is none', [0x0f], 'no wire type 7'],
    ['a length beyond the end', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x61], 'breaks off'],
    ['a length near 2^64', [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 'breaks off'],
    ['a number without end', [0x08, ...new Array<number>(11).fill(0xff)], 'more than 10 bytes'],
    ['a group that is not closed', [0xfb, 0x07, 0x08, 0x01], 'breaks off'],
    ['a group that another closes', [0xfb, 0x07, 0x0c], 'not open'],
    ['an end without a group', [0xfc, 0x07], 'no wire type 4'],
    ['groups without bottom', new Array<number>(200).fill(0x0b), 'nested'],
    ['a parameter that is no message', [0x22, 0x02, 0x0a, 0x05], 'no parameter'],
  ])('refuses %s, and says why', (_name, bytes, why) => {
    expect(() => readInferRequestHead(Uint8Array.from(bytes))).toThrow(why);
    expect(scanned(Uint8Array.from(bytes))).toBeUndefined();
  });

  it("does not look into the tensors: they are the worker's to judge", () => {
    const head = ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'digits' })).finish();
    const brokenInput = new BinaryWriter()
      .uint32(42)
      .bytes(new Uint8Array([0x0a, 0x7f]))
      .finish();
    const bytes = Buffer.concat([brokenInput, head]);
    expect(reference(bytes)).toBeUndefined();
    expect(readInferRequestHead(bytes).modelName).toBe('digits');
  });
});
