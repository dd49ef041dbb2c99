/** What archives and compressed files begin with. */
const SIGNATURES: readonly { readonly name: string; readonly at: number; readonly bytes: Buffer }[] = [
  { name: 'a zip archive', at: 0, bytes: Buffer.from('PK\x03\x04', 'latin1') },
  { name: 'a zip archive', at: 0, bytes: Buffer.from('PK\x05\x06', 'latin1') },
  { name: 'a zip archive', at: 0, bytes: Buffer.from('PK\x07\x08', 'latin1') },
  { name: 'a gzip file', at: 0, bytes: Buffer.from([0x1f, 0x8b]) },
  { name: 'a tar archive', at: 257, bytes: Buffer.from('ustar', 'latin1') },
  { name: 'a bzip2 file', at: 0, bytes: Buffer.from('BZh', 'latin1') },
  { name: 'an xz file', at: 0, bytes: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) },
  { name: 'a Zstandard file', at: 0, bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { name: 'a 7z archive', at: 0, bytes: Buffer.from([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]) },
  { name: 'a RAR archive', at: 0, bytes: Buffer.from('Rar!\x1a\x07', 'latin1') },
];

/** So many bytes from a file's start tell. */
export const ARCHIVE_HEAD_BYTES = 262;

/** What kind of archive begins like this, with its article; undefined for anything else. */
export function archiveFormat(head: Uint8Array): string | undefined {
  return SIGNATURES.find(({ at, bytes }) => bytes.equals(head.subarray(at, at + bytes.byteLength)))?.name;
}
