import { BmsError, Reason } from '@bms/contracts';
import type { Session } from '../verb';
import { DIGITS_MODEL, readMeasured, type MeasuredVersion } from './digits-data';

/** Which versions of a model in the mesh are versions of the example. */
export interface MeasuredVersions {
  readonly byVersion: ReadonlyMap<number, MeasuredVersion>;
  /**
   * - `digest`: their files are the example's
   * - `number`: admin could not be asked, so the numbers that `npm start` gives are taken for granted
   */
  readonly knownBy: 'digest' | 'number';
}

/** Admin is asked, but not waited for: predictions do not need it, so what checks them must not either. */
const ADMIN_ANSWER_MS = 2_000;

export async function measuredVersions(session: Session, model: string): Promise<MeasuredVersions> {
  const measured = readMeasured();
  try {
    return { byVersion: await askAdmin(session, model, measured), knownBy: 'digest' };
  } catch (error) {
    if (BmsError.is(error, Reason.MODEL_NOT_FOUND)) return { byVersion: new Map(), knownBy: 'digest' };
    if (!(error instanceof BmsError) || error.reason === Reason.CANCELLED) throw error;
    const known = model === DIGITS_MODEL ? measured : [];
    return { byVersion: new Map(known.map((one) => [one.version, one])), knownBy: 'number' };
  }
}

async function askAdmin(
  { client, options, now, signal }: Session,
  model: string,
  measured: readonly MeasuredVersion[],
): Promise<ReadonlyMap<number, MeasuredVersion>> {
  const answer = await client.models.getModel(
    { tenant: options.tenant, model },
    { deadlineMs: now() + ADMIN_ANSWER_MS, signal },
  );
  const pairs = (answer.model?.versions ?? []).flatMap(({ version }): [number, MeasuredVersion][] => {
    const entry = version?.artifact?.files.find(({ path }) => path === version.artifact?.entry);
    const one = measured.find(({ sha256 }) => sha256 === entry?.sha256);
    return one === undefined ? [] : [[Number(version?.ref?.version ?? 0), one]];
  });
  return new Map(pairs);
}
