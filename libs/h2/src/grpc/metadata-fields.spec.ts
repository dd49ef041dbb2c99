import { BmsError, Reason } from '@bms/contracts';
import { Metadata, type MetadataValue } from '@bms/transport';
import { fieldFault } from './field-rules';
import { appendMetadata, metadataOf } from './metadata-fields';
import { randomText, seededRandom } from './seeded-random.fixture';

function entriesOf(metadata: Metadata): (readonly [string, MetadataValue])[] {
  return [...metadata.entries()];
}

function sent(metadata: Metadata): string[] {
  const fields: string[] = [];
  appendMetadata(fields, metadata);
  return fields;
}

describe('appendMetadata', () => {
  it('adds texts as they are and bytes as base64 without padding, in order', () => {
    const metadata = new Metadata()
      .set('X-Request-Id', 'abc 1')
      .append('tag', 'one')
      .append('tag', 'two')
      .set('trace-bin', new Uint8Array([1, 2]))
      .set('empty', '');
    const fields = ['te', 'trailers'];
    appendMetadata(fields, metadata);
    expect(fields).toEqual([
      'te',
      'trailers',
      'x-request-id',
      'abc 1',
      'tag',
      'one',
      'tag',
      'two',
      'trace-bin',
      'AQI',
      'empty',
      '',
    ]);
  });

  it('adds nothing where there is none', () => {
    const fields: string[] = [];
    appendMetadata(fields, undefined);
    expect(fields).toEqual([]);
  });

  it.each([
    ':path',
    ':anything',
    'grpc-timeout',
    'grpc-status',
    'grpc-tags-bin',
    'content-type',
    'content-length',
    'te',
    'host',
    'connection',
    'keep-alive',
    'proxy-connection',
    'transfer-encoding',
    'upgrade',
    'trailer',
    'date',
    'accept-encoding',
  ])('leaves out %s, which is the protocol’s own', (name) => {
    expect(sent(new Metadata().set(name, 'x').set('kept', 'y'))).toEqual(['kept', 'y']);
  });

  it('leaves out blanks around a text, for a field may have none', () => {
    expect(sent(new Metadata().set('a', '  b c '))).toEqual(['a', 'b c']);
  });

  it.each<[string, MetadataValue, string]>([
    ['', 'x', 'metadata "": a name is made of'],
    ['a b', 'x', 'metadata "a b": a name is made of'],
    ['a:b', 'x', 'metadata "a:b": a name is made of'],
    ['ä', 'x', 'metadata "ä": a name is made of'],
    ['a\r\nb', 'x', 'metadata "a\\r\\nb": a name is made of'],
    ['a', 'x\r\nb: c', 'metadata "a": a text is made of printable ASCII'],
    ['a', 'ü', 'metadata "a": a text is made of printable ASCII'],
    ['a', '\u0000', 'metadata "a": a text is made of printable ASCII'],
    ['a', new Uint8Array([1]), 'metadata "a": only a name that ends in "-bin" takes bytes'],
    ['a-bin', 'text', 'metadata "a-bin": a name that ends in "-bin" takes bytes'],
  ])('refuses %j with %j', (name, value, sentence) => {
    const metadata = new Metadata().set(name, value);
    expect(() => sent(metadata)).toThrow(BmsError);
    expect(() => sent(metadata)).toThrow(sentence);
    expect(() => sent(metadata)).toThrow(expect.objectContaining({ reason: Reason.INVALID_REQUEST }));
  });
});

describe('metadataOf', () => {
  it('makes one value of several texts with one name, and keeps bytes apart', () => {
    const metadata = metadataOf(['a', '1', 'b-bin', 'AQI=', 'a', '2', 'b-bin', 'Aw, BA', 'a', '']);
    expect(entriesOf(metadata)).toEqual([
      ['a', '1, 2, '],
      ['b-bin', Buffer.from([1, 2])],
      ['b-bin', Buffer.from([3])],
      ['b-bin', Buffer.from([4])],
    ]);
  });

  it('knows the names that HTTP treats in another way', () => {
    const metadata = metadataOf(
      ['cookie', 'a=1', 'authorization', 'Bearer mine', 'set-cookie', 'x', 'cookie', 'b=2'].concat([
        'authorization',
        'Bearer other',
        'set-cookie',
        'y',
        'user-agent',
        'one',
        'user-agent',
        'two',
      ]),
    );
    expect(entriesOf(metadata)).toEqual([
      ['cookie', 'a=1; b=2'],
      ['authorization', 'Bearer mine'],
      ['set-cookie', 'x'],
      ['set-cookie', 'y'],
      ['user-agent', 'one'],
    ]);
  });

  it('leaves out what is the protocol’s own, what can be no metadata, and what lies before the index', () => {
    const fields = [
      ':path',
      '/a/B',
      'te',
      'trailers',
      'content-type',
      'application/grpc',
      'grpc-timeout',
      '1S',
      'a',
      '1',
    ];
    const more = ['b!', '1', 'c', 'ü', 'd-bin', '?', 'e', '2'];
    expect(entriesOf(metadataOf([...fields, ...more]))).toEqual([
      ['a', '1'],
      ['e', '2'],
    ]);
    expect(entriesOf(metadataOf([...fields, ...more], fields.length))).toEqual([['e', '2']]);
  });

  it('gives back what was sent, for any metadata that can be', () => {
    const random = seededRandom(17);
    for (let i = 0; i < 500; i++) {
      const metadata = new Metadata();
      for (let n = Math.floor(random() * 8); n > 0; n--) {
        const name = `x-${randomText(random, 'abc019._-', Math.floor(random() * 12))}`;
        if (random() < 0.3) metadata.append(`${name}-bin`, Buffer.from(randomText(random, '\u0000aß', 20)));
        else metadata.set(`${name}_`, `<${randomText(random, 'a ,~!"', Math.floor(random() * 20))}>`);
      }
      expect(entriesOf(metadataOf(sent(metadata)))).toEqual(entriesOf(metadata));
    }
  });

  it('never throws, whatever comes; and nothing but INVALID_REQUEST is thrown, or fields that may be sent come out', () => {
    const random = seededRandom(18);
    const alphabet = 'aZ09-_.:, =\r\n\u0000\u0080\u00ffbin';
    const wrong: unknown[] = [];
    for (let i = 0; i < 20_000; i++) {
      const name = randomText(random, alphabet, Math.floor(random() * 8)) + (random() < 0.3 ? '-bin' : '');
      const value = randomText(random, alphabet, Math.floor(random() * 12));
      if (!(metadataOf([name, value, name, value]) instanceof Metadata)) wrong.push([name, value]);
      try {
        const fields = sent(new Metadata().set(name, random() < 0.5 ? value : Buffer.from(value)));
        for (let at = 0; at < fields.length; at += 2) {
          if (fieldFault(fields[at] ?? '', fields[at + 1] ?? '') !== undefined) wrong.push(fields);
        }
      } catch (error) {
        if (!BmsError.is(error, Reason.INVALID_REQUEST)) wrong.push(error);
      }
    }
    expect(wrong).toEqual([]);
  });
});
