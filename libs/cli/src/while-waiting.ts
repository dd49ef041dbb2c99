import type { Session } from './verb';

const REDRAW_MS = 250;

/** Shows what is being waited for, and for how long, until `work` has ended. */
export async function whileWaiting<T>(session: Session, what: string, work: Promise<T>): Promise<T> {
  const progress = session.progress(what);
  const timer = setInterval(() => progress.say(), REDRAW_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    progress.done();
  }
}
