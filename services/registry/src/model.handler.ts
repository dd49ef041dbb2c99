import { BmsError, modelId, modelService, parseLabel, parseVersionNumber } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import { modelDetail, modelsOf, replicasOnWorkers } from './models/model-details';
import { modelMessage, stateWord, versionMessage } from './models/model-messages';
import { modelNotFound, versionNotFound } from './models/model-changes';
import type { ModelCatalog } from './models/model-catalog';
import type { ReadinessWatch } from './models/readiness-watch';
import type { VersionRegistration } from './models/version-registration';
import { modelFields, principalOf, refFields, tenantField, timeoutField, versionField } from './request-fields';
import { findVersion } from './watch/mesh-snapshot';
import { idOf } from './watch/replicas';
import type { MeshRouters } from './watch/mesh-routers';

export interface ModelHandlerOptions {
  readonly catalog: ModelCatalog;
  readonly registration: VersionRegistration;
  readonly readiness: ReadinessWatch;
  readonly routers: MeshRouters;
}

/** ModelService: models, versions and labels. */
export function modelHandler({ catalog, registration, readiness, routers }: ModelHandlerOptions): Routes {
  return implement(modelService.ModelServiceDefinition, {
    registerVersion: async (request, call) => {
      const version = await registration.register(modelFields(request), request, principalOf(call), call.signal);
      return { version: versionMessage(version) };
    },

    setVersionState: async ({ ref, state, force }, { signal }) => {
      const key = refFields(ref);
      const to = stateWord(state);
      if (to === undefined) {
        throw BmsError.invalidRequest('state', `${state} is not allowed: PUBLISHED, OFFLINE or DELETED`);
      }
      return { version: versionMessage(await catalog.setState(key, versionField(ref), to, force, signal)) };
    },

    activateVersion: async ({ ref, timeoutMs }, call) => {
      const key = refFields(ref);
      const by = principalOf(call);
      const activated = await catalog.activate(key, versionField(ref), timeoutField(timeoutMs), by, call.signal);
      return { model: modelMessage(activated.model), previousVersion: BigInt(activated.previousVersion) };
    },

    rollBackModel: async (request, call) => {
      const key = modelFields(request);
      const wish = request.toVersion === 0n ? undefined : parseVersionNumber(request.toVersion, 'to_version');
      const by = principalOf(call);
      const activated = await catalog.rollBack(key, wish, timeoutField(request.timeoutMs), by, call.signal);
      return { model: modelMessage(activated.model), previousVersion: BigInt(activated.previousVersion) };
    },

    setLabel: async ({ ref, label, timeoutMs }, { signal }) => {
      const key = refFields(ref);
      const name = parseLabel(label);
      if (ref?.version === 0n) return { model: modelMessage(await catalog.removeLabel(key, name, signal)) };
      const number = versionField(ref);
      return { model: modelMessage(await catalog.setLabel(key, name, number, timeoutField(timeoutMs), signal)) };
    },

    waitForVersion: async ({ ref, timeoutMs }, { signal }) => {
      const key = refFields(ref);
      const number = versionField(ref);
      await readiness.complete(key, number, timeoutField(timeoutMs), signal);
      const view = readiness.view();
      const version = findVersion(view.snapshot, modelId(key.tenant, key.model), number)?.record;
      if (version === undefined) throw versionNotFound(key.tenant, key.model, number, false);
      return { replicas: replicasOnWorkers(view, version, routers.callsOf(idOf(version))) };
    },

    listModels: async (request) => {
      const view = readiness.view();
      return { models: modelsOf(view, tenantField(request.tenant)).map((entry) => modelDetail(view, routers, entry)) };
    },

    getModel: async (request) => {
      const { tenant, model } = modelFields(request);
      const view = readiness.view();
      const entry = view.snapshot.models.get(modelId(tenant, model));
      if (entry === undefined) throw modelNotFound(tenant, model);
      return { model: modelDetail(view, routers, entry) };
    },
  });
}
