import { GrpcCode } from '@bms/transport';
import { ErrorCode } from '../frames/error-code';
import { statusOfReset } from './rst-status';

/** Written out once more on purpose: what callers see is a contract. */
const EXPECTED: Readonly<Record<keyof typeof ErrorCode, keyof typeof GrpcCode>> = {
  NO_ERROR: 'INTERNAL',
  PROTOCOL_ERROR: 'INTERNAL',
  INTERNAL_ERROR: 'INTERNAL',
  FLOW_CONTROL_ERROR: 'INTERNAL',
  SETTINGS_TIMEOUT: 'INTERNAL',
  STREAM_CLOSED: 'INTERNAL',
  FRAME_SIZE_ERROR: 'INTERNAL',
  REFUSED_STREAM: 'UNAVAILABLE',
  CANCEL: 'CANCELLED',
  COMPRESSION_ERROR: 'INTERNAL',
  CONNECT_ERROR: 'INTERNAL',
  ENHANCE_YOUR_CALM: 'RESOURCE_EXHAUSTED',
  INADEQUATE_SECURITY: 'PERMISSION_DENIED',
  HTTP_1_1_REQUIRED: 'INTERNAL',
};

describe('a reset stream', () => {
  it.each(Object.entries(EXPECTED))('with %s means %s', (name, code) => {
    expect(statusOfReset(ErrorCode[name as keyof typeof ErrorCode])).toEqual({
      code: GrpcCode[code],
      message: `the peer ended the stream with ${name}`,
      details: undefined,
    });
  });

  it('with a code that HTTP/2 does not know means INTERNAL', () => {
    expect(statusOfReset(0xffff_ffff)).toMatchObject({
      code: GrpcCode.INTERNAL,
      message: 'the peer ended the stream with error 4294967295',
    });
  });
});
