import net from 'node:net';
import tls from 'node:tls';
import type { TlsFiles } from '@bms/transport';

/** Why there is no connection to an endpoint. */
interface Diagnosis {
  /** What to change. */
  readonly sentence: string;
  /** Waiting does not help. */
  readonly final: boolean;
}

/** How long a connection may take, and how long it is waited for a word of displeasure. */
const WITHIN_MS = 1_000;
/** What an HTTP/2 client says first: a plain server answers with its settings, one that wants TLS with something else. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const SETTINGS_FRAME = 4;
const HUNG_UP: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/**
 * Connects once, beside the channel (which says only that there is no connection), to find out why it fails; undefined where nothing is wrong
 * with the connection itself.
 */
export async function diagnoseEndpoint(address: string, files: TlsFiles | undefined): Promise<Diagnosis | undefined> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  const target = { host, port: Number(address.slice(at + 1)) };
  const heard = await firstWord(
    files === undefined
      ? net.connect(target)
      : tls.connect({ ...target, ...files, servername: net.isIP(host) === 0 ? host : '', ALPNProtocols: ['h2'] }),
    files === undefined ? 'connect' : 'secureConnect',
  );
  if (heard.kind === 'failed') return explain(heard.error, heard.connected, address, files);
  const speaksHttp2 = heard.said.length > SETTINGS_FRAME && heard.said[3] === SETTINGS_FRAME;
  return speaksHttp2 ? undefined : final(`what answers at ${address} is no etcd: check --store`);
}

type FirstWord =
  | { readonly kind: 'said'; readonly said: Buffer }
  | { readonly kind: 'failed'; readonly error: NodeJS.ErrnoException; /** By TCP. */ readonly connected: boolean };

/** What the peer says to an HTTP/2 client. */
function firstWord(socket: net.Socket, connectEvent: string): Promise<FirstWord> {
  return new Promise((resolve) => {
    let connected = false;
    const end = (result: FirstWord): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const fail = (error: NodeJS.ErrnoException): void => end({ kind: 'failed', error, connected });
    const timer = setTimeout(() => fail(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), WITHIN_MS);
    socket.once('connect', () => (connected = true));
    socket.once(connectEvent, () => socket.write(PREFACE));
    socket.once('data', (said: Buffer) => end({ kind: 'said', said }));
    socket.once('error', fail);
    socket.once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
}

function explain(
  { code = '', message }: NodeJS.ErrnoException,
  connected: boolean,
  address: string,
  files: TlsFiles | undefined,
): Diagnosis {
  if (connected && HUNG_UP.has(code)) {
    const sentence =
      files === undefined
        ? `etcd at ${address} hangs up on whoever does not speak TLS: write --store etcds://… and set --store-ca`
        : `etcd at ${address} hangs up on whoever speaks TLS: write --store etcd://…, or give etcd a certificate`;
    return { final: false, sentence }; // or it is just going away
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return final(
      `the certificate of etcd at ${address} is for another host: check --store, or give etcd one for this host`,
    );
  }
  if (/CERT|SIGNATURE|ISSUER|CHAIN/.test(code) && !code.startsWith('ERR_SSL')) {
    return final(`the certificate of etcd at ${address} is not signed by --store-ca (${code}): check --store-ca`);
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|UNEXPECTED_MESSAGE|HTTP_REQUEST/.test(code + message.toUpperCase())) {
    return final(`etcd at ${address} does not speak TLS: write --store etcd://…, or give etcd a certificate`);
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    const given =
      files?.cert === undefined ? 'asks for a certificate of ours: set' : 'does not take our certificate: check';
    return final(`etcd at ${address} ${given} --store-cert and --store-key`);
  }
  return unreachable(address, code);
}

function unreachable(address: string, code: string): Diagnosis {
  return { final: false, sentence: `no etcd answers at ${address} (${code}): check --store` };
}

function final(sentence: string): Diagnosis {
  return { final: true, sentence };
}
