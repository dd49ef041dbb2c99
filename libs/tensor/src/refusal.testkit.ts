import { BmsError, reasonName } from '@bms/contracts';

/** What `act` is refused with, as `REASON message`; fails when it is not refused with a BmsError. */
export function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof BmsError) return `${reasonName(error.reason)} ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}
