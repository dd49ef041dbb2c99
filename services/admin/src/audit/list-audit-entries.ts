import { adminService, BmsError } from '@bms/contracts';
import type { ManagementHandler } from '../management-call';
import type { AuditLog } from './audit-log';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

/** Answers AdminService.ListAuditEntries. */
export function listAuditEntries(log: AuditLog): ManagementHandler {
  return async ({ request, tenant, signal }) => {
    const { limit } = adminService.ListAuditEntriesRequest.decode(request);
    if (limit < 0 || limit > LIMIT_MAX) {
      throw BmsError.invalidRequest('limit', `is ${limit}: 1 to ${LIMIT_MAX} is allowed, 0 means ${LIMIT_DEFAULT}`);
    }
    const records = await log.newest(tenant, limit === 0 ? LIMIT_DEFAULT : limit, signal);
    const entries = records.map((record) => adminService.AuditEntry.create({ ...record, atMs: BigInt(record.atMs) }));
    return adminService.ListAuditEntriesResponse.encode({ entries }).finish();
  };
}
