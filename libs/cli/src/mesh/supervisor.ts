import { mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PREVIOUS_EXIT_VARIABLE } from '@bms/lifecycle';
import { stopOrder, type MeshPlan, type PlannedService, type ServiceKind } from './mesh-plan';
import { nodeFlags } from './node-flags';
import { ServiceProcess } from './service-process';
import { SupervisedService } from './supervised-service';

/** A log that has grown beyond this is put aside as `.1` at the next start. */
const LOG_ROTATE_BYTES = 64 * 1024 * 1024;

export interface SupervisorOptions {
  readonly plan: MeshPlan;
  readonly logFolder: string;
  readonly say: (line: string) => void;
  readonly env: NodeJS.ProcessEnv;
}

/** The processes of a mesh on this machine: started in the order of need, stopped in the order that loses nothing. */
export class Supervisor {
  private readonly services: ReadonlyMap<string, SupervisedService>;

  constructor(private readonly options: SupervisorOptions) {
    mkdirSync(options.logFolder, { recursive: true });
    this.services = new Map(
      stopOrder(options.plan)
        .flat()
        .map((planned) => [planned.name, this.supervise(planned)]),
    );
  }

  /**
   * Starts the registries, then all others side by side. Throws the sentence of the first one that cannot start. One that waits
   * for something beyond this machine, such as the store, is started again until it serves or `signal` is aborted.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { plan } = this.options;
    await this.startAll(plan.registries, signal);
    if (signal.aborted) return;
    await this.startAll([...plan.workers, ...plan.routers, plan.admin], signal);
  }

  /** Drains routers, workers, admin and registries, in this order. */
  async stop(): Promise<void> {
    for (const service of this.services.values()) service.announceStop();
    for (const group of stopOrder(this.options.plan)) {
      await Promise.all(group.map(({ name }) => this.service(name).stop()));
    }
  }

  /** Ends all at once. */
  kill(): void {
    for (const service of this.services.values()) service.kill();
  }

  private async startAll(group: readonly PlannedService[], signal: AbortSignal): Promise<void> {
    await Promise.all(group.map((planned) => this.startOne(planned, signal)));
  }

  private async startOne(planned: PlannedService, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const service = this.service(planned.name);
    const facts = await service.startFirst(signal);
    if (facts === undefined) return;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    this.options.say(
      `${planned.name.padEnd(9)} pid ${service.pid ?? '?'}, port ${planned.ports[0]?.port ?? '?'} (${seconds} s)`,
    );
  }

  private service(name: string): SupervisedService {
    const service = this.services.get(name);
    if (service === undefined) throw new Error(`no service ${name} in this mesh`);
    return service;
  }

  private supervise(planned: PlannedService): SupervisedService {
    const logFd = openLog(join(this.options.logFolder, `${planned.name}.log`));
    return new SupervisedService({
      name: planned.name,
      say: this.options.say,
      nowMs: () => performance.now(),
      start: (previousExit) =>
        new ServiceProcess({
          nodeFlags: nodeFlags(planned.kind),
          script: serviceScript(planned.kind),
          flags: planned.flags,
          logFd,
          env: { ...this.options.env, [PREVIOUS_EXIT_VARIABLE]: previousExit },
        }),
    });
  }
}

/** The built entry of a service. The command line starts services as processes and never imports them. */
export function serviceScript(kind: ServiceKind): string {
  return resolve(__dirname, '../../../../services', kind, 'dist/main.js');
}

function openLog(file: string): number {
  const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeBytes > LOG_ROTATE_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a');
}
