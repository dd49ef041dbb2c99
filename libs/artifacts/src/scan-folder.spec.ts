import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BmsError, Reason } from '@bms/contracts';
import { scanArtifact } from './scan-folder';

describe('scanArtifact', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-scan-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const put = (path: string, content: string | Buffer = 'x'): string => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    return join(folder, path);
  };
  const refusal = async (path: string): Promise<string> => {
    const error = await scanArtifact(path).catch((reason: unknown) => reason);
    if (!BmsError.is(error, Reason.INVALID_MODEL)) throw error;
    return error.message;
  };

  it('takes all files of a folder, hidden ones too, in the order of their paths', async () => {
    put('model.onnx', 'abc');
    put('weights/b.bin');
    put('weights/a.bin', '');
    put('.DS_Store');
    mkdirSync(join(folder, 'empty'));
    expect(await scanArtifact(folder)).toEqual({
      root: folder,
      files: [
        { path: '.DS_Store', file: join(folder, '.DS_Store'), sizeBytes: 1 },
        { path: 'model.onnx', file: join(folder, 'model.onnx'), sizeBytes: 3 },
        { path: 'weights/a.bin', file: join(folder, 'weights/a.bin'), sizeBytes: 0 },
        { path: 'weights/b.bin', file: join(folder, 'weights/b.bin'), sizeBytes: 1 },
      ],
    });
  });

  it('takes a single file by its name', async () => {
    const file = put('digits.onnx', 'abc');
    expect(await scanArtifact(file)).toEqual({
      root: folder,
      files: [{ path: 'digits.onnx', file, sizeBytes: 3 }],
    });
  });

  it('refuses links, with where they lead and what to do', async () => {
    const outside = put('outside.bin');
    mkdirSync(join(folder, 'model'));
    symlinkSync(outside, join(folder, 'model', 'weights.bin'));
    const how = `is a link to ${outside}: put the file itself in its place (cp -L follows links)`;
    expect(await refusal(join(folder, 'model'))).toBe(`weights.bin ${how}`);
    symlinkSync(outside, join(folder, 'single.onnx'));
    expect(await refusal(join(folder, 'single.onnx'))).toBe(`${join(folder, 'single.onnx')} ${how}`);
  });

  it('refuses links to folders, and such that lead nowhere', async () => {
    mkdirSync(join(folder, 'model'));
    symlinkSync('..', join(folder, 'model', 'up'));
    expect(await refusal(join(folder, 'model'))).toContain('up is a link to ..');
    symlinkSync('nowhere', join(folder, 'lost'));
    expect(await refusal(join(folder, 'lost'))).toContain('is a link to nowhere');
  });

  it('refuses hard links', async () => {
    const file = put('a.onnx');
    linkSync(file, join(folder, 'b.onnx'));
    expect(await refusal(folder)).toBe(
      'a.onnx is a hard link, one of 2 names of the same bytes, which could be changed by another name: put a copy in its place',
    );
    expect(await refusal(file)).toContain('is a hard link');
  });

  it('refuses pipes, sockets and devices without reading them', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(await refusal(folder)).toBe('pipe is a pipe: only files and folders can be pushed');
    rmSync(join(folder, 'pipe'));
    const server = createServer().listen(join(folder, 'socket'));
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      expect(await refusal(folder)).toBe('socket is a socket: only files and folders can be pushed');
    } finally {
      server.close();
    }
    expect(await refusal('/dev/null')).toBe('/dev/null is a device: only files and folders can be pushed');
  });

  const tar = (): Buffer => {
    const header = Buffer.alloc(512);
    header.write('model.onnx');
    header.write('ustar', 257);
    return header;
  };
  it.each([
    ['a zip archive', Buffer.from('PK\x03\x04rest', 'latin1')],
    ['a zip archive', Buffer.from('PK\x05\x06', 'latin1')],
    ['a gzip file', gzipSync('model')],
    ['a tar archive', tar()],
    ['a bzip2 file', Buffer.from('BZh91AY')],
    ['an xz file', Buffer.from('fd377a585a0000', 'hex')],
    ['a Zstandard file', Buffer.from('28b52ffd00', 'hex')],
    ['a 7z archive', Buffer.from('377abcaf271c00', 'hex')],
    ['a RAR archive', Buffer.from('526172211a0700', 'hex')],
  ])('refuses %s, whatever its name', async (name, bytes) => {
    const file = put('model.onnx', bytes);
    expect(await refusal(file)).toBe(`${file} is ${name}: unpack it and push the folder`);
  });

  it('refuses an empty file and a folder without files', async () => {
    expect(await refusal(put('model.onnx', ''))).toContain('model.onnx is empty');
    mkdirSync(join(folder, 'none', 'deeper'), { recursive: true });
    expect(await refusal(join(folder, 'none'))).toContain('is an empty folder');
  });

  it('refuses more files than a version may have, before it has seen them all', async () => {
    for (let i = 0; i <= 1_000; i++) put(`f${i}`);
    expect(await refusal(folder)).toContain('holds more than 1000 files');
  });

  it.each(['a\\b', 'a\nb'])('refuses the name %j, which not every system can have', async (name) => {
    put(name);
    expect(await refusal(folder)).toMatch(/: rename it$/);
  });

  it('refuses a name that is not valid UTF-8', async () => {
    if (process.platform !== 'linux') return; // other systems' file systems refuse it themselves
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), 'x');
    expect(await refusal(folder)).toMatch(/has a name that is not valid UTF-8: rename it$/);
  });

  it('says when there is nothing at the path', async () => {
    const nowhere = join(folder, 'nowhere');
    await expect(scanArtifact(nowhere)).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: `${nowhere}: there is no such file or folder`,
    });
  });

  it('ends when it is called off', async () => {
    put('model.onnx');
    await expect(scanArtifact(folder, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
