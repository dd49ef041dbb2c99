import { CallMetadata, inference, modelService, models, type BmsError } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { inferResponse, readInferInputs, isBytes, rawOf, typedArrayOf, type Tensor } from '@bms/tensor';
import { implement, type ServerCall } from '@bms/transport';
import { readExpected, readHeldOut, readMeasured, PICTURE_PIXELS } from './digits/digits-data';

const SIGNATURE = models.Signature.create({
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1n, 64n] }],
  outputs: [
    { name: 'probabilities', datatype: 'FP32', shape: [-1n, 10n] },
    { name: 'label', datatype: 'INT64', shape: [-1n] },
  ],
});

/**
 * A router over real gRPC that serves the digits example without a model: it answers the held-out pictures as they were
 * measured. A spec makes it fail, lie or wait.
 */
export class FakeRouter {
  /** Which version answers where none is named; also the number of calls so far goes in. */
  activeVersion: (call: number) => number = () => 2;
  /** Changes an answer's probabilities before it is sent. */
  change: (probabilities: Float32Array, call: number) => void = () => undefined;
  /** Fails a call instead. */
  fail: (call: number) => BmsError | undefined = () => undefined;
  /** Waited for before each answer. */
  gate: Promise<void> = Promise.resolve();
  calls = 0;
  port = 0;
  private server: GrpcServer;
  private readonly answers = readMeasured().map((measured) => readExpected(measured).answers);
  private readonly pictures = new Map(readHeldOut().map(({ pixels }, at) => [pixels.join(), at]));

  private constructor() {
    this.server = this.newServer();
  }

  static async start(): Promise<FakeRouter> {
    const router = new FakeRouter();
    await router.listen();
    return router;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Breaks all connections and serves again on the same port. */
  async restart(): Promise<void> {
    await this.server.close();
    this.server = this.newServer();
    await this.listen();
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  private async listen(): Promise<void> {
    this.port = await this.server.listen({ host: '127.0.0.1', port: this.port });
  }

  private newServer(): GrpcServer {
    return new GrpcServer(
      implement(inference.GRPCInferenceServiceDefinition, {
        serverLive: async () => ({ live: true }),
        serverReady: async () => ({ ready: true }),
        serverMetadata: async () => ({ name: 'fake', version: '', extensions: [] }),
        modelReady: async () => ({ ready: true }),
        modelMetadata: async ({ name }) => ({ name, versions: ['1', '2'], platform: 'fake', ...SIGNATURE }),
        modelInfer: async (request, call) => this.infer(request, call),
      }),
    );
  }

  private async infer(request: inference.ModelInferRequest, call: ServerCall): Promise<inference.ModelInferResponse> {
    const number = this.calls++;
    const version = request.modelVersion === '' ? this.activeVersion(number) : Number(request.modelVersion);
    call.trailers.set(CallMetadata.servedBy, `worker-${number % 2}`).set(CallMetadata.attempts, '1');
    await this.gate;
    const failure = this.fail(number);
    if (failure !== undefined) throw failure;
    const { inputs, typed } = readInferInputs(request, SIGNATURE);
    const outputs = this.outputsFor(inputs[0] as Tensor, version, number);
    return inferResponse({
      modelName: request.modelName,
      modelVersion: String(version),
      id: request.id,
      outputs,
      typed,
    });
  }

  private outputsFor(input: Tensor, version: number, call: number): readonly Tensor[] {
    if (isBytes(input)) throw new Error('pixels are numbers');
    const pixels = typedArrayOf('FP32', input.data);
    const count = input.shape[0] ?? 0;
    const answers = Array.from({ length: count }, (_, at) => {
      const key = pixels.subarray(at * PICTURE_PIXELS, (at + 1) * PICTURE_PIXELS).join();
      // A picture that was not measured, or a version: some answer that is always the same.
      const measured = this.answers[version - 1]?.[this.pictures.get(key) ?? -1];
      return measured ?? { label: 0, probabilities: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0) };
    });
    const probabilities = Float32Array.from(answers.flatMap((answer) => [...answer.probabilities]));
    this.change(probabilities, call);
    const label = BigInt64Array.from(answers, (answer) => BigInt(answer.label));
    return [
      { name: 'probabilities', datatype: 'FP32', shape: [count, 10], data: rawOf(probabilities) },
      { name: 'label', datatype: 'INT64', shape: [count], data: rawOf(label) },
    ];
  }
}

/** What admin says of a model whose versions are those of the example, by number. */
export function digitsModel(name: string): modelService.GetModelResponse {
  return modelService.GetModelResponse.create({
    model: {
      model: { tenant: 'default', name, activeVersion: 2n },
      versions: readMeasured().map(({ version, file, sha256 }) => ({
        version: {
          ref: { tenant: 'default', model: name, version: BigInt(version) },
          artifact: { entry: file, files: [{ path: file, sha256, sizeBytes: 1n }] },
        },
      })),
    },
  });
}
