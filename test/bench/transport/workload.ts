import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchmarkContext } from '../benchmark';
import { modelName } from '../filled-store';
import { NOOP_ANSWER, INFER_PATH, noopRequest } from '../noop-answer';

/** What is sent, and how many at a time. */
export interface Workload {
  readonly path: string;
  /** File with the message to send, gRPC's prefix before it. */
  readonly bodyFile: string;
  readonly bodyBytes: number;
  /** File with the message that must come; undefined: its length alone is known. */
  readonly expectedFile: string | undefined;
  readonly answerBytes: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** On each connection. */
  readonly inFlight: number;
  readonly tls: boolean;
}

/** The sizes of requests that are measured: a row of a table, a small picture, a picture of 224 × 224 in three colours. */
export const SIZES = { '1 KB': 1_024, '64 KB': 65_536, '600 KB': 602_112 } as const;
export type Size = keyof typeof SIZES;
/** In flight in all; from 8 on, over four connections: what one caller does with one, many do with several. */
export const CONCURRENCIES = [1, 8, 32, 128] as const;
const CONNECTIONS = 4;

/** Of one published no-op model. @param inFlight in all */
export function noopWorkload(context: BenchmarkContext, size: Size = '1 KB', inFlight = 32): Workload {
  const bodyFile = join(context.folder, `request-${SIZES[size]}`);
  const expectedFile = join(context.folder, 'answer');
  if (!existsSync(bodyFile)) writeFileSync(bodyFile, grpcFramed(noopRequest(modelName(0), SIZES[size])));
  if (!existsSync(expectedFile)) writeFileSync(expectedFile, NOOP_ANSWER);
  const connections = inFlight < CONNECTIONS ? 1 : CONNECTIONS;
  return {
    ...{ path: INFER_PATH, bodyFile, expectedFile },
    ...{ bodyBytes: SIZES[size], answerBytes: NOOP_ANSWER.byteLength },
    ...{ headers: {}, connections, inFlight: Math.ceil(inFlight / connections), tls: false },
  };
}

/** Of a real model, whose answers' last bits depend on what they were batched with. @param inFlight in all */
export function modelWorkload(
  { folder }: BenchmarkContext,
  model: string,
  request: Uint8Array,
  answer: Uint8Array,
  inFlight: number,
): Workload {
  const bodyFile = join(folder, `request-${model}`);
  writeFileSync(bodyFile, grpcFramed(request));
  return {
    ...{ path: INFER_PATH, bodyFile, bodyBytes: request.byteLength, answerBytes: answer.byteLength },
    ...{ expectedFile: undefined, headers: {}, tls: false },
    ...{ connections: CONNECTIONS, inFlight: Math.ceil(inFlight / CONNECTIONS) },
  };
}

/** A message as gRPC sends it: not compressed, its length, its bytes. */
export function grpcFramed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}
