import { BmsError, reasonName } from './bms-error';
import { Reason } from './gen/bms/error/v1/error';

describe('BmsError', () => {
  it('names the field in its message and in its violations', () => {
    const error = BmsError.invalidTensor('inputs[0].shape', 'rank 2 is wanted, rank 3 was sent');
    expect(error.message).toBe('inputs[0].shape: rank 2 is wanted, rank 3 was sent');
    expect(error.violations).toEqual([{ field: 'inputs[0].shape', description: 'rank 2 is wanted, rank 3 was sent' }]);
  });

  it('keeps what is one, and hides what is not', () => {
    const error = new BmsError(Reason.NOT_READY, 'not yet', { retryAfterMs: 100 });
    expect(BmsError.from(error)).toBe(error);
    const other = BmsError.from(new Error('password=secret'));
    expect([other.reason, other.message]).toEqual([Reason.INTERNAL, 'an internal error']);
    expect((other.cause as Error).message).toBe('password=secret');
  });

  it('names its reason without a prefix', () => {
    expect(reasonName(Reason.NOT_READY)).toBe('NOT_READY');
  });

  it('takes an abort for what it is', () => {
    expect(BmsError.from(AbortSignal.abort().reason).reason).toBe(Reason.CANCELLED);
    expect(BmsError.from(new DOMException('x', 'TimeoutError')).reason).toBe(Reason.DEADLINE_EXCEEDED);
  });

  it('is told apart by reason', () => {
    const error: unknown = new BmsError(Reason.NOT_READY, 'x');
    expect(BmsError.is(error)).toBe(true);
    expect(BmsError.is(error, Reason.NOT_READY, Reason.OVERLOADED)).toBe(true);
    expect(BmsError.is(error, Reason.OVERLOADED)).toBe(false);
    expect(BmsError.is(new Error('x'))).toBe(false);
  });
});
