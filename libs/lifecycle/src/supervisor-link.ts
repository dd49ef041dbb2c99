import { Socket } from 'node:net';

/** The file descriptor of the pipe between a supervisor and its child; its variable tells the child that there is one. */
export const SUPERVISOR_FD = 3;
export const SUPERVISED_VARIABLE = 'BMS_SUPERVISED';

/** A child's end of the pipe to the supervisor that started it. */
export interface SupervisorLink {
  /** Tells the supervisor that this process serves, with its addresses. */
  ready(facts: Readonly<Record<string, string | number>>): void;
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
  return { ready: (facts) => void socket.write(`${JSON.stringify({ ready: facts })}\n`) };
}
