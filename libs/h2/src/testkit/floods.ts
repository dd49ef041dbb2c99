import {
  dataFrame,
  pingFrame,
  priorityFrame,
  rawFrame,
  SETTINGS_ACK,
  settingsFrame,
  windowUpdateFrame,
} from './raw-frame';

/** Frames that are legal one by one, to be sent in numbers on a connection whose stream 1 is open. */
export interface Flood {
  readonly name: string;
  /** The i-th frame. */
  readonly frame: (i: number) => Buffer;
}

const NOTHING = Buffer.alloc(0);

export const FLOODS: readonly Flood[] = [
  { name: 'PING', frame: () => pingFrame() },
  { name: 'SETTINGS', frame: () => settingsFrame([0x3, 100]) },
  { name: 'acknowledgements of SETTINGS', frame: () => SETTINGS_ACK },
  { name: 'answers to PING', frame: () => pingFrame(Buffer.alloc(8), true) },
  { name: 'empty DATA', frame: () => dataFrame(1, NOTHING) },
  { name: 'DATA that is only padding', frame: () => dataFrame(1, NOTHING, { padding: 1 }) },
  { name: 'PRIORITY', frame: () => priorityFrame(1, { dependsOn: 0 }) },
  { name: 'PRIORITY of streams that have not begun', frame: (i) => priorityFrame(1_001 + 2 * i, { dependsOn: 0 }) },
  { name: 'WINDOW_UPDATE of the connection', frame: () => windowUpdateFrame(0, 1) },
  { name: 'WINDOW_UPDATE of a stream', frame: () => windowUpdateFrame(1, 1) },
  { name: 'frames of an unknown type', frame: () => rawFrame(0xfa, 0xff, 1, Buffer.from('?')) },
];
