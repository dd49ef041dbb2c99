import { once } from 'node:events';
import { connect } from 'node:tls';
import { defineBenchmark } from '../benchmark';
import { judged } from '../figures';
import { rounded } from '../percentiles';
import { startBenchProcess } from '../sides/bench-process';
import type { Side } from '../sides/side';
import { OWN_TRANSPORT, serviceFlags } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate, type Measurement } from './measurement';
import { noopWorkload, type Size } from './workload';

const SIZES = [
  ['1 KB', 32],
  ['600 KB', 8],
] as const satisfies readonly (readonly [Size, number])[];
/** Connections that are made one after the other, at once. */
const LANES = 4;

export const tlsCost = defineBenchmark({
  name: 'transport/tls',
  about: 'what TLS adds to a request and how many handshakes a server does, with a worker that takes no time',
  knobs: LOAD_KNOBS,
  stores: ['embedded'],
  run: async (knobs, context) => {
    const load = new LoadGenerator(knobs, context.say);
    const side = async (name: string, flags: readonly string[]): Promise<Side> => {
      const options = { script: 'noop-worker', flags };
      const { pid, address } = await startBenchProcess(context, options);
      return { name, address, pids: { front: pid } };
    };
    const [plain, secure] = [await side('plaintext', serviceFlags(OWN_TRANSPORT)), await side('TLS', ['--tls'])];
    const bySize: [Size, Map<Side, Measurement>][] = [];
    for (const [size, inFlight] of SIZES) {
      const workload = noopWorkload(context, size, inFlight);
      const measure = (one: Side): Promise<Measurement> => load.saturate(one, { ...workload, tls: one === secure });
      bySize.push([size, await alternate([plain, secure], knobs.rounds, measure)]);
    }
    const handshakes = await handshakesPerSecond(secure, knobs.runMs);
    const us = (at: number, one: Side): number => bySize[at]?.[1].get(one)?.cpuUs['front'] ?? NaN;
    return {
      tables: [
        {
          title: 'worker that takes no time, called directly',
          columns: ['', ...bySize.flatMap(([size]) => [`${size}: requests/s`, `${size}: CPU, µs`])],
          rows: [plain, secure].map((one) => [
            one.name,
            ...bySize.flatMap(([, measured], at) => [
              rounded(measured.get(one)?.perSecond ?? NaN, 0),
              rounded(us(at, one)),
            ]),
          ]),
        },
      ],
      figures: [
        judged('tls', us(0, secure) - us(0, plain)),
        judged('tls-600k', us(1, secure) - us(1, plain)),
        judged('tls-handshakes', handshakes),
      ],
    };
  },
});

/** Whole handshakes: no session is resumed. */
async function handshakesPerSecond({ address }: Side, ms: number): Promise<number> {
  const [host, port] = address.split(':') as [string, string];
  const startedMs = performance.now();
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - startedMs < ms) {
      const socket = connect({ host, port: Number(port), ALPNProtocols: ['h2'], rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      socket.destroy();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return (done / (performance.now() - startedMs)) * 1_000;
}
