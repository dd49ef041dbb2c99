import { setMaxListeners } from 'node:events';
import { FolderBlobStore, type BlobStore } from '@bms/artifacts';
import { guardRoutes, type ServiceToken } from '@bms/auth';
import { blobService, BmsError, meshService, modelService, Reason } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import type { MetaStore } from '@bms/metastore';
import { createMetrics, type Logger } from '@bms/telemetry';
import { mergeRoutes, pathOf, type Routes } from '@bms/transport';
import { blobHandler } from './blob.handler';
import { systemClock as clock } from './clock';
import { blobFolder, type RegistryConfig } from './config';
import { Housekeeping } from './housekeeping';
import { meshHandler } from './mesh.handler';
import { modelHandler } from './model.handler';
import { sweepBlobs } from './models/blob-sweep';
import { ModelCatalog } from './models/model-catalog';
import { ModelStore } from './models/model-store';
import { ReadinessWatch } from './models/readiness-watch';
import { VersionRegistration } from './models/version-registration';
import { logPlacement, routerLog, workerLog } from './observation/control-log';
import { measuredStore } from './observation/measured-store';
import { RegistryMetrics } from './observation/registry-metrics';
import { peerHandler } from './peer.handler';
import { closedWhileCutOff } from './peers/cut-off-gate';
import { checkPeerTrust } from './peers/check-peer-trust';
import { PeerDirectory } from './peers/peer-directory';
import { RegistryPresence } from './peers/registry-presence';
import { StorePulse } from './peers/store-pulse';
import { LeaderElection } from './placement/leader-election';
import { SOLE_REGISTRY } from './placement/leadership';
import { PlacementLoop } from './placement/placement-loop';
import { KeyLayout } from './records/keys';
import type { RegistryRecord } from './records/values';
import { routeHandler } from './route.handler';
import { explainStoreFailures } from './store-failures';
import { StoreAcceptance } from './store/accept-store';
import { MeshStore } from './store/mesh-store';
import { openMesh } from './store/open-mesh';
import { PointKeeper } from './store/point-keeper';
import type { StateFolder } from './store/state-folder';
import { StoreTrust } from './store/store-trust';
import { allOf, closedBy } from './streams/stream-gate';
import { MeshRouters } from './watch/mesh-routers';
import { RouteFeed } from './watch/route-feed';
import { RouterAcknowledgements } from './watch/router-acknowledgements';
import { RouterConnections } from './watch/router-connections';
import { StoreMirror } from './watch/store-mirror';
import { workerHandler } from './worker.handler';
import { forgetWorkers } from './workers/desired-sweep';
import { WorkerPresence } from './workers/worker-presence';

// The inner half of compose.ts: all that a registry does, without its ports. One list of parts, in the order in which they
// need each other; it is long because there are many, not because it decides anything.

/** Reading needs no token; up- and downloads carry a ticket, which their handler checks. Everything else changes something, or is for the mesh's own processes. */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.listModels),
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.getModel),
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.waitForVersion),
  pathOf(meshService.MeshServiceDefinition, meshService.MeshServiceDefinition.methods.getMeshStatus),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.statBlob),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.uploadBlob),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.downloadBlob),
]);

export interface ControlPlaneParts {
  readonly config: RegistryConfig;
  readonly opened: MetaStore;
  /** Opens what the settings name once more, to find what it holds now. */
  readonly open: (config: RegistryConfig, signal?: AbortSignal) => Promise<MetaStore>;
  readonly state: StateFolder;
  readonly token: ServiceToken;
  readonly logger: Logger;
  readonly requestStop: (reason: string) => void;
}

export interface ControlPlane {
  readonly routes: Routes;
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Why it cannot do its job; undefined: it can. */
  readonly trouble: () => string | undefined;
  /** Says to the other registries where this one is, and takes part in the election. */
  announce(record: RegistryRecord): void;
  /** Ends the streams and waits of others; they are told to go elsewhere. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

export async function openControlPlane(parts: ControlPlaneParts): Promise<ControlPlane> {
  const { config, opened, open, state, token, logger, requestStop } = parts;
  const { leaseTtlMs, replicas: defaultReplicas, storeAddress } = config;
  const { identity } = state;
  const { registryId } = identity;
  const shared = storeAddress.kind === 'etcd';
  const stopped = new AbortController();
  const shutdown = new AbortController();
  setMaxListeners(0, shutdown.signal, stopped.signal); // every stream and every wait listens
  const keys = new KeyLayout(config.storePrefix);
  const blobs: BlobStore = new FolderBlobStore(blobFolder(config));
  const warn = (sentence: string) => (err: unknown) => logger.warn({ err }, sentence);

  const metricsRegistry = createMetrics('registry');
  // Asked for only once there is a port, and all that they look at.
  const metrics: RegistryMetrics = new RegistryMetrics(metricsRegistry, {
    snapshot: () => mirror.snapshot,
    attachedRouters: () => connections.size,
    attachedWorkers: () =>
      [...mirror.snapshot.workers.values()].filter(
        ({ worker }) => worker?.record.attached === true && worker.record.registry === registryId,
      ).length,
    leads: () => leadership.leads(),
    storeTrouble: () => store.trouble(),
    inDoubt: () => trust.doubt !== undefined,
  });
  const measured = (store: MetaStore): MetaStore =>
    measuredStore(
      store,
      () => performance.now(),
      (seconds) => metrics.commitSeconds.observe(seconds),
    );
  const trust = new StoreTrust(keys, () => clock.nowMs());
  const store: MeshStore = new MeshStore(measured(opened), {
    reopen: shared ? async (signal) => measured(await open(config, signal)) : undefined,
    refusal: () => trust.refusal(),
    onSuspicion: () => mirror.lookAgain(),
  });
  const known = state.knownPoint();
  const { mesh, read } = await openMesh({ store, keys, known, nowMs: clock.nowMs() }, stopped.signal);
  let failure: string | undefined;
  const mirror: StoreMirror = new StoreMirror({
    store,
    trust,
    keys,
    clock,
    mesh,
    known,
    onFailed: (error) => {
      failure = error.message;
      logger.error({ err: error }, 'the store cannot be followed any more');
      requestStop(failure);
    },
    onTrouble: warn('the store is read again'),
  });
  const feed = new RouteFeed(mirror);
  const pulse = new StorePulse({ store, trust, key: keys.mesh(), clock, onSuspicion: () => mirror.lookAgain() });
  const presence = new RegistryPresence({
    store,
    keys,
    mirror,
    trust,
    leaseTtlMs,
    clock,
    onTrouble: warn('the place of this registry cannot be kept now; trying again'),
    onReplaced: (reason) => {
      logger.error(reason);
      requestStop(reason);
    },
  });
  const election = new LeaderElection({
    store,
    keys,
    mirror,
    trust,
    presence,
    identity,
    clock,
    onTrouble: warn('the election could not go on; trying again'),
  });
  const leadership = shared ? election : SOLE_REGISTRY;
  const connections = new RouterConnections();
  const dial = (address: string): GrpcChannel => new GrpcChannel(address);
  const peers = new PeerDirectory(mirror, { dial, token, registryId, meshId: mesh.id, clock });
  const routers = new MeshRouters(connections, peers, registryId);
  const goingAway = closedBy(
    shutdown.signal,
    () => new BmsError(Reason.DRAINING, 'this registry is going away: go to another, or again'),
  );
  const gate = allOf(goingAway, trust, closedWhileCutOff(pulse, peers, clock));
  const workers = workerLog(logger);
  const acknowledgements = new RouterAcknowledgements(feed, routers, clock);
  const readiness = new ReadinessWatch({ mirror, keys, acknowledgements, clock, defaultReplicas, gate });
  const models = new ModelStore({ store, keys, clock, random: Math.random });
  const catalog = new ModelCatalog({ models, readiness, mirror, acknowledgements, clock });
  const placement = new PlacementLoop({
    store,
    keys,
    mirror,
    acknowledgements,
    leadership,
    clock,
    defaultReplicas,
    settleMs: leaseTtlMs,
    onAction: (action) => {
      metrics.placed(action.kind);
      logPlacement(logger, action);
    },
    onTrouble: warn('placement could not go on; trying again'),
  });
  const housekeeping = new Housekeeping({
    clock,
    leadership,
    tasks: [
      async (signal) => {
        const swept = await sweepBlobs(store, keys, blobs, leadership, signal);
        if (swept > 0) logger.info({ swept }, 'deleted artifacts and uploads that nothing refers to');
      },
      async (signal) => {
        await forgetWorkers(store, keys, leadership, mirror.snapshot, clock.nowMs(), signal);
      },
    ],
    onTrouble: warn('clearing away failed; trying again in an hour'),
  });
  const points = new PointKeeper(
    state,
    mirror,
    trust,
    clock,
    warn('how far the store was seen cannot be written down'),
  );
  trust.onChange(() => {
    if (trust.doubt === undefined) placement.settle();
    const { doubt } = trust;
    if (doubt === undefined) logger.info('the store is followed again');
    else logger.error({ known: String(doubt.known.revision), found: String(doubt.found.revision) }, doubt.reason);
  });
  leadership.onChange(() => logger.info({ leads: leadership.leads() }, 'the lead has changed'));

  await mirror.start(stopped.signal, read);
  const registries = [...mirror.snapshot.registries.values()].map(({ record }) => record);
  await checkPeerTrust({ registries, dial, token, registryId, meshId: mesh.id }, () => clock.nowMs());
  placement.start();
  housekeeping.start();
  pulse.start();
  points.start();
  logger.info(
    { mesh: mesh.id, registry: registryId, revision: Number(mirror.snapshot.revision), store: store.kind },
    'the store is open',
  );

  const acceptance = new StoreAcceptance({ store, keys, trust, mirror, mesh, clock });
  const presences = new WorkerPresence({ store, keys, leaseTtlMs });
  const common = { mirror, acknowledgements, clock, meshId: mesh.id, gate };
  const routes = mergeRoutes(
    modelHandler({ catalog, registration: new VersionRegistration(catalog, blobs), readiness, routers }),
    blobHandler({ blobs, token, nowMs: () => clock.nowMs() }),
    workerHandler({ ...common, registryId, presence: presences, observer: workers }),
    routeHandler({ ...common, feed, connections, routers, observer: routerLog(logger) }),
    meshHandler({ readiness, routers, acceptance, registryId, peers, leadership, store, trust }),
    peerHandler({ identity, meshId: mesh.id, feed, connections, pulse, clock, gate: goingAway }),
  );
  return {
    routes: guardRoutes(explainStoreFailures(routes), token, OPEN_PATHS),
    metrics: metricsRegistry,
    trouble: () => failure ?? trust.doubt?.reason,
    announce: (record) => {
      presence.start(record);
      if (shared) election.start();
    },
    endStreams: async () => {
      await Promise.all([placement.close(), housekeeping.close(), election.close()]);
      shutdown.abort();
      await presence.leave(AbortSignal.timeout(2_000));
    },
    close: async () => {
      points.close();
      peers.close();
      stopped.abort();
      await Promise.all([mirror.stopped(), pulse.close()]);
      await store.close();
    },
  };
}
