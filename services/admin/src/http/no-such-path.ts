import { BmsError, Reason } from '@bms/contracts';

/** Nothing is served at that path. HTTP has a status of its own for it, 404. */
export class NoSuchPathError extends BmsError {
  constructor(method: string, url: string, offered: string) {
    super(Reason.UNIMPLEMENTED, `there is no ${method} ${JSON.stringify(url.slice(0, 200))}: ${offered}`);
  }
}
