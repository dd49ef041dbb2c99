import { ErrorCode } from '../frames/error-code';
import { Setting, WINDOW_DEFAULT_BYTES, WINDOW_MAX_BYTES } from '../frames/frame';
import { ConnectionError } from '../frames/h2-error';

const ENTRY_BYTES = 6;
const FRAME_BYTES_LEAST = 16_384;
const FRAME_BYTES_MOST = 2 ** 24 - 1;
/** A peer that has not said how many streams it takes is taken to take these. */
const CONCURRENT_STREAMS_UNSAID = 100;

/** What the peer wants of us; what it has not said has HTTP/2's defaults. */
export class PeerSettings {
  headerTableBytes = 4_096;
  concurrentStreams = CONCURRENT_STREAMS_UNSAID;
  initialWindowBytes = WINDOW_DEFAULT_BYTES;
  /** Of a header list: names, values and 32 a field. */
  headerListBytes = Infinity;

  /** Takes a SETTINGS frame's payload. Throws ConnectionError. */
  read(payload: Buffer, entriesMax: number): void {
    if (payload.length % ENTRY_BYTES !== 0) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `SETTINGS of ${payload.length} bytes`);
    }
    if (payload.length > entriesMax * ENTRY_BYTES) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `SETTINGS with more than ${entriesMax} entries`);
    }
    for (let at = 0; at < payload.length; at += ENTRY_BYTES) {
      this.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
  }

  private set(setting: number, value: number): void {
    switch (setting) {
      case Setting.HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return;
      case Setting.ENABLE_PUSH:
        if (value > 1) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `ENABLE_PUSH is ${value}`);
        return;
      case Setting.MAX_CONCURRENT_STREAMS:
        this.concurrentStreams = value;
        return;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_MAX_BYTES) {
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `INITIAL_WINDOW_SIZE is ${value}`);
        }
        this.initialWindowBytes = value;
        return;
      case Setting.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_LEAST || value > FRAME_BYTES_MOST) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `MAX_FRAME_SIZE is ${value}`);
        }
        return;
      case Setting.MAX_HEADER_LIST_SIZE:
        this.headerListBytes = value;
        return;
      default:
        return; // unknown ones are to be ignored
    }
  }
}
