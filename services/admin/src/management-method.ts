import { adminService, meshService, modelService } from '@bms/contracts';
import { pathOf, type AnyMethod, type ServiceDefinition } from '@bms/transport';

/** One unary method that admin offers. */
export interface ManagementMethod {
  /** `/bms.models.v1.ModelService/SetLabel`. */
  readonly path: string;
  /** `ModelService`: how the JSON API names it. */
  readonly serviceName: string;
  /** `SetLabel`. */
  readonly name: string;
  readonly service: ServiceDefinition;
  readonly definition: AnyMethod;
  /** Whether it changes something, or lets somebody change something: needs the token and is audited. */
  readonly changes: boolean;
  /** Who answers it: the registry that admin fronts, or admin itself. */
  readonly answeredBy: 'registry' | 'admin';
}

/** Calls that change nothing. Every other one counts as a change, so that a new method is guarded before anybody thinks of it. */
const READING: ReadonlySet<string> = new Set([
  '/bms.models.v1.ModelService/ListModels',
  '/bms.models.v1.ModelService/GetModel',
  '/bms.models.v1.ModelService/WaitForVersion',
  '/bms.mesh.v1.MeshService/GetMeshStatus',
  '/bms.admin.v1.AdminService/ListAuditEntries',
]);

/** The services that admin serves, and by whom each is answered. */
export const MANAGEMENT_SERVICES = [
  { definition: modelService.ModelServiceDefinition, answeredBy: 'registry' },
  { definition: meshService.MeshServiceDefinition, answeredBy: 'registry' },
  { definition: adminService.AdminServiceDefinition, answeredBy: 'admin' },
] as const;

export const MANAGEMENT_METHODS: readonly ManagementMethod[] = MANAGEMENT_SERVICES.flatMap(
  ({ definition: service, answeredBy }) =>
    Object.values<AnyMethod>(service.methods).map((definition) => {
      const path = pathOf(service, definition);
      return {
        path,
        serviceName: service.name,
        name: definition.name,
        service,
        definition,
        changes: !READING.has(path),
        answeredBy,
      };
    }),
);
