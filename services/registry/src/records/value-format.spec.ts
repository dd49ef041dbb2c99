import { z } from 'zod';
import { CorruptValueError, NewerStoreError, valueFormat } from './value-format';

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const first = valueFormat({ name: 'thing', version: 1, schema: z.object({ name: z.string() }) });
const third = valueFormat({
  name: 'thing',
  version: 3,
  schema: z.object({ name: z.string(), size: z.number() }),
  upgrade: (previous) => ({ ...previous, size: 0 }),
});

describe('valueFormat', () => {
  it('writes JSON with the version, and reads it again', () => {
    const written = first.encode({ name: 'a' });
    expect(JSON.parse(new TextDecoder().decode(written))).toEqual({ v: 1, name: 'a' });
    expect(first.decode(written, 'k')).toEqual({ name: 'a' });
  });

  it('reads the version before, made into the present one', () => {
    expect(third.decode(bytes({ v: 2, name: 'a' }), 'k')).toEqual({ name: 'a', size: 0 });
  });

  it('refuses a newer version with a sentence that says which release is needed', () => {
    expect(() => first.decode(bytes({ v: 2, name: 'a' }), 'k')).toThrow(NewerStoreError);
    expect(() => first.decode(bytes({ v: 2, name: 'a' }), 'k')).toThrow(
      'the store was written by a newer release (a thing has format 2, this release knows 1)',
    );
  });

  it.each([
    ['what is older than the version before', third, bytes({ v: 1, name: 'a' }), 'k: a thing of format 1 is too old'],
    ['what is not JSON', first, new TextEncoder().encode('{'), 'k: the thing is not JSON'],
    ['what is not UTF-8', first, new Uint8Array([0xff]), 'k: the thing is not JSON'],
    ['what has no version', first, bytes({ name: 'a' }), 'k: the thing is damaged at "v"'],
    ['what is not as the schema says', first, bytes({ v: 1, name: 7 }), 'k: the thing is damaged at "name"'],
  ])('refuses %s', (_, format, value, sentence) => {
    expect(() => format.decode(value, 'k')).toThrow(CorruptValueError);
    expect(() => format.decode(value, 'k')).toThrow(sentence);
  });

  it('writes nothing that it could not read', () => {
    expect(() => first.encode({ name: 7 } as never)).toThrow();
  });
});
