import { BmsError } from '@bms/contracts';
import type { BmsClient } from '@bms/sdk';
import { EXAMPLE_MODEL } from './example-import';
import type { PORT_OFFSETS } from './mesh-plan';
import type { MeshSettings } from './mesh-settings';

/** What a person sees once predictions flow: addresses, and lines to paste. The first line is proof: a prediction just made. */
export async function banner(
  client: BmsClient,
  settings: MeshSettings,
  address: (offset: keyof typeof PORT_OFFSETS) => string,
): Promise<string> {
  const portFlag = settings.portBase === 8500 ? '' : ` --port-base ${settings.portBase}`;
  const dataFlag = settings.data === '.bms' ? '' : ` --data ${settings.data}`;
  const proof = await tryPrediction(client);
  const router = address('routerGrpc');
  return [
    '',
    `BMS is up${proof === undefined ? '' : `: predictions flow (${proof})`}`,
    '',
    `  router     gRPC ${router}, REST http://${address('routerRest')}`,
    `  admin      gRPC ${address('adminGrpc')}, dashboard http://${address('adminHttp')}`,
    `  registry   gRPC ${address('registryGrpc')}`,
    `  ${settings.workers === 1 ? 'worker ' : 'workers'}    gRPC ${address('workerGrpc')}${settings.workers === 1 ? '' : ` and up, ${settings.workers} of them`}`,
    '',
    ...(proof === undefined
      ? firstModel(dataFlag + portFlag)
      : paste(router, address('routerRest'), portFlag, dataFlag)),
    '',
    'Ctrl-C stops it; everything is kept.',
  ].join('\n');
}

function paste(router: string, rest: string, portFlag: string, dataFlag: string): readonly string[] {
  return [
    'Paste into another terminal:',
    `  curl -s http://${rest}/v1/models/${EXAMPLE_MODEL}:predict -d @examples/digits/sample.rest.json`,
    `  grpcurl -plaintext -d @ ${router} inference.GRPCInferenceService/ModelInfer < examples/digits/sample.grpc.json`,
    '    (grpcurl is one file: https://github.com/fullstorydev/grpcurl/releases, or "brew install grpcurl")',
    `  npx tsx examples/digits/predict.ts${portFlag}`,
    `  npx bms predict ${EXAMPLE_MODEL} --sample 42${portFlag}`,
    `  npx bms load ${EXAMPLE_MODEL} --rate 200 --seconds 60${portFlag}${dataFlag}`,
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
