/** Names of the metadata that BMS sends beside a call. All lower case, ASCII values. */
export const CallMetadata = {
  /** The mesh's service token or, later, a key: `Bearer …`. */
  authorization: 'authorization',
  /** Which tenant the caller means; `default` when absent. */
  tenant: 'bms-tenant',
  /** Who asks, for the audit trail. */
  principal: 'bms-principal',
  /** Names the request in every answer, error and log line; made by the router when absent. */
  requestId: 'bms-request-id',

  /** Router → worker: the version that was resolved, `tenant/model@3`. */
  versionId: 'bms-version-id',
  /** Router → worker: whom the router means. A worker that is somebody else answers REPLICA_GONE. */
  workerId: 'bms-worker-id',
  incarnation: 'bms-incarnation',

  /** Worker → router, in trailers: requests that wait or run now. */
  queueDepth: 'bms-queue-depth',
  /** Worker → router, in trailers: microseconds from arrival to the start of the run. */
  queueUs: 'bms-queue-us',
  /** Worker → router, in trailers: microseconds of the run itself. */
  computeUs: 'bms-compute-us',
  /**
   * Worker → router, in trailers: rows of the run that answered, without padding. In those of one call of each run only, so
   * that whoever counts them counts each run once.
   */
  batchRows: 'bms-batch-rows',
  /** Router → caller, in trailers: the worker that answered and how many attempts it took. */
  servedBy: 'bms-served-by',
  attempts: 'bms-attempts',
} as const;
