import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as files and as what is in them. */
export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A certificate authority of its own, made with openssl in a temporary folder. */
export class TestAuthority {
  private readonly folder = mkdtempSync(join(tmpdir(), 'bms-certificates-'));
  readonly caFile = join(this.folder, 'ca.pem');
  private readonly caKeyFile = join(this.folder, 'ca.key');

  constructor(name = 'test authority') {
    this.openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      ...[...['-subj', `/CN=${name}`, '-keyout', this.caKeyFile, '-out', this.caFile]],
    );
  }

  get ca(): Buffer {
    return readFileSync(this.caFile);
  }

  /** @param subjectAltName such as `IP:127.0.0.1` */
  issue(commonName: string, subjectAltName: string): TestCertificate {
    const [keyFile, request, certFile, extensions] = ['key', 'csr', 'pem', 'ext'].map((end) =>
      join(this.folder, `${commonName}.${end}`),
    ) as [string, string, string, string];
    writeFileSync(extensions, `subjectAltName=${subjectAltName}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    this.openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      ...[...['-subj', `/CN=${commonName}`, '-keyout', keyFile, '-out', request]],
    );
    this.openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.caFile,
      '-CAkey',
      this.caKeyFile,
      '-CAcreateserial',
      ...[...['-days', '2', '-extfile', extensions, '-out', certFile]],
    );
    return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}
