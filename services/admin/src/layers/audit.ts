import { BmsError, reasonName } from '@bms/contracts';
import type { Logger } from '@bms/telemetry';
import type { Bytes, Codec } from '@bms/transport';
import type { AuditLog } from '../audit/audit-log';
import type { ManagementCall, ManagementLayer, RequestFields } from '../management-call';
import { subjectOf } from '../request-fields';

/**
 * Writes an entry for each changing call once its outcome is known. The change has happened by then, so an entry that cannot be
 * written is logged as an error and the caller gets the answer.
 */
export function audit(log: AuditLog, logger: Logger, now: () => number): ManagementLayer {
  return (next) => async (call) => {
    if (!call.method.changes) return next(call);
    const write = async (outcome: string, subject: string): Promise<void> => {
      const { caller, tenant, method, requestId } = call;
      const principal = caller.kind === 'trusted' ? caller.principal : 'anonymous';
      try {
        await log.append({ atMs: now(), principal, tenant, method: method.path, subject, outcome, requestId });
      } catch (err) {
        logger.error(
          { err, method: method.path, subject, outcome, principal, requestId },
          'the audit entry is not on disk',
        );
      }
    };
    try {
      const answer = await next(call);
      await write('OK', subjectOf({ ...call.fields, ...madeVersion(call, answer) }));
      return answer;
    } catch (error) {
      await write(reasonName(BmsError.from(error).reason), subjectOf(call.fields));
      throw error;
    }
  };
}

/** The number of a version is in the answer that made it. */
function madeVersion({ method, fields }: ManagementCall, answer: Bytes): RequestFields {
  if ('ref' in fields) return {};
  const { version } = (method.definition.responseType as Codec<RequestFields>).decode(answer);
  return typeof version === 'object' && version !== null && 'ref' in version ? { ref: version.ref } : {};
}
