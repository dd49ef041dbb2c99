import { writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** The file descriptor of the pipe between a supervisor and its child; its variable tells the child that there is one. */
export const SUPERVISOR_FD = 3;
export const SUPERVISED_VARIABLE = 'BMS_SUPERVISED';
/** Tells a child that is started again how its predecessor ended: "SIGKILL", "exit code 1". */
export const PREVIOUS_EXIT_VARIABLE = 'BMS_PREVIOUS_EXIT';

/** Addresses and the like: what a service tells about itself once it serves. */
export type ServiceFacts = Readonly<Record<string, string | number>>;

/** How far a start is that takes long. */
export interface StartProgress {
  /** What is being done, one word or two. */
  readonly phase: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** One line of JSON from a child to its supervisor. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly facts: ServiceFacts }
  | ({ readonly kind: 'progress' } & StartProgress)
  | { readonly kind: 'failed'; readonly sentence: string; readonly exitCode: number };

/** A child's end of the pipe to the supervisor that started it. */
export interface SupervisorLink {
  /** Written before it returns, since the process may end right after it. */
  tell(message: ChildMessage): void;
}

/**
 * Opens the link where a supervisor started this process; undefined otherwise. `onLost` is called when the
 * supervisor is gone, however it died.
 */
export function openSupervisorLink(
  env: Readonly<Record<string, string | undefined>>,
  onLost: () => void,
): SupervisorLink | undefined {
  if (env[SUPERVISED_VARIABLE] === undefined) return undefined;
  const socket = new Socket({ fd: SUPERVISOR_FD, readable: true, writable: true });
  socket.on('error', onLost);
  socket.on('close', onLost);
  socket.resume();
  socket.unref();
  return {
    tell: (message) => {
      try {
        writeSync(SUPERVISOR_FD, `${JSON.stringify(message)}\n`);
      } catch {
        onLost();
      }
    },
  };
}
