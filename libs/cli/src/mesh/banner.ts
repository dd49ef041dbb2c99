import { BmsError } from '@bms/contracts';
import type { BmsClient } from '@bms/sdk';
import { EXAMPLE_MODEL } from './example-import';
import type { PlannedService, MeshPlan } from './mesh-plan';
import type { MeshSettings } from './mesh-settings';

/** What a person sees once predictions flow: addresses, and lines to paste. The first line is proof: a prediction just made. */
export async function banner(client: BmsClient, settings: MeshSettings, plan: MeshPlan, host: string): Promise<string> {
  const portFlag = settings.portBase === 8500 ? '' : ` --port-base ${settings.portBase}`;
  const dataFlag = settings.data === '.bms' ? '' : ` --data ${settings.data}`;
  const proof = await tryPrediction(client);
  const at = ({ ports }: PlannedService, place: number): string => `${host}:${ports[place]?.port ?? 0}`;
  const routerFlag = plan.routers.length > 1 ? ` --router ${plan.routers.map((one) => at(one, 0)).join(',')}` : '';
  const [router = '', rest = ''] = plan.routers.slice(0, 1).flatMap((service) => [at(service, 0), at(service, 1)]);
  return [
    '',
    `BMS is up${proof === undefined ? '' : `: predictions flow (${proof})`}`,
    '',
    ...plan.routers.map((one) => row('router', `gRPC ${at(one, 0)}, REST http://${at(one, 1)}`)),
    row('admin', `gRPC ${at(plan.admin, 0)}, dashboard http://${at(plan.admin, 1)}`),
    ...plan.registries.map((one) => row('registry', `gRPC ${at(one, 0)}`)),
    row('store', settings.store ?? 'embedded'),
    ...workerRows(plan, settings, at),
    '',
    ...(proof === undefined ? firstModel(dataFlag + portFlag) : paste(router, rest, portFlag, routerFlag + dataFlag)),
    '',
    'Ctrl-C stops it; everything is kept.',
  ].join('\n');
}

function row(what: string, where: string): string {
  return `  ${what.padEnd(10)} ${where}`;
}

/** One line where all have the same device, else one for each. */
function workerRows(
  { workers }: MeshPlan,
  { device }: MeshSettings,
  at: (service: PlannedService, place: number) => string,
): readonly string[] {
  const first = workers[0];
  if (first === undefined) return [];
  if (device.length > 1)
    return workers.map((one, index) => row(one.name, `gRPC ${at(one, 0)}, ${device[index] ?? ''}`));
  const many = workers.length === 1 ? '' : ` and up, ${workers.length} of them`;
  return [row(workers.length === 1 ? 'worker' : 'workers', `gRPC ${at(first, 0)}${many}`)];
}

function paste(router: string, rest: string, portFlag: string, loadFlags: string): readonly string[] {
  return [
    'Paste into another terminal:',
    `  curl -s http://${rest}/v1/models/${EXAMPLE_MODEL}:predict -d @examples/digits/sample.rest.json`,
    `  grpcurl -plaintext -d @ ${router} inference.GRPCInferenceService/ModelInfer < examples/digits/sample.grpc.json`,
    '    (grpcurl is one file: https://github.com/fullstorydev/grpcurl/releases, or "brew install grpcurl")',
    `  npx tsx examples/digits/predict.ts${portFlag}`,
    `  npx bms predict ${EXAMPLE_MODEL} --sample 42${portFlag}`,
    `  npx bms load ${EXAMPLE_MODEL} --rate 200 --seconds 60${portFlag}${loadFlags}`,
  ];
}

function firstModel(flags: string): readonly string[] {
  return ['Push a model:', `  npx bms push NAME model.onnx --activate${flags}`];
}

/** One real prediction with the example; undefined where it is not there (any more). */
async function tryPrediction(client: BmsClient): Promise<string | undefined> {
  const startedMs = performance.now();
  try {
    const pixels = { datatype: 'FP32' as const, shape: [1, 64], data: new Float32Array(64) };
    const { version } = await client.infer({ model: EXAMPLE_MODEL, inputs: { pixels } }, { timeoutMs: 10_000 });
    return `${EXAMPLE_MODEL}@${version} answered in ${(performance.now() - startedMs).toFixed(1)} ms`;
  } catch (error) {
    if (error instanceof BmsError) return undefined;
    throw error;
  }
}
