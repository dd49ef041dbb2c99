import { health, reflectionV1 } from '@bms/contracts';
import { HealthService, mergeRoutes, reflectionRoutes, type Codec } from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { GrpcServer } from './grpc-server';

const { SERVING, NOT_SERVING } = health.HealthCheckResponse_ServingStatus;
const SERVICES = ['inference.GRPCInferenceService', 'grpc.health.v1.Health'];

let server: GrpcServer;
let client: grpc.Client;
let healthService: HealthService;

beforeEach(async () => {
  healthService = new HealthService();
  healthService.setServing(true);
  server = new GrpcServer(mergeRoutes(healthService.routes(), reflectionRoutes(SERVICES)));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await server.close();
});

/** How a message goes over the wire, for grpc-js. */
function wire<T>(codec: Codec<T>): [(message: T) => Buffer, (bytes: Buffer) => T] {
  return [(message) => Buffer.from(codec.encode(message).finish()), (bytes) => codec.decode(bytes)];
}
const [serializeCheck] = wire(health.HealthCheckRequest);
const [, deserializeCheck] = wire(health.HealthCheckResponse);
const [serializeReflection] = wire(reflectionV1.ServerReflectionRequest);
const [, deserializeReflection] = wire(reflectionV1.ServerReflectionResponse);

describe("grpc-js's own client", () => {
  test('checks health', async () => {
    const check = (service: string): Promise<health.HealthCheckResponse | undefined> =>
      new Promise((resolve, reject) => {
        const path = '/grpc.health.v1.Health/Check';
        client.makeUnaryRequest(path, serializeCheck, deserializeCheck, { service }, (error, answer) =>
          error === null ? resolve(answer) : reject(error),
        );
      });
    expect(await check('')).toEqual({ status: SERVING });
    await expect(check('no.Such')).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
  });

  test('watches health', async () => {
    const path = '/grpc.health.v1.Health/Watch';
    const watching = client.makeServerStreamRequest(path, serializeCheck, deserializeCheck, { service: '' });
    const statuses: unknown[] = [];
    for await (const { status } of watching as AsyncIterable<health.HealthCheckResponse>) {
      statuses.push(status);
      if (statuses.length === 1) healthService.close();
    }
    expect(statuses).toEqual([SERVING, NOT_SERVING]);
  });

  test.each(['v1', 'v1alpha'])('reads the contracts by reflection %s', async (version) => {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const asking = client.makeBidiStreamRequest(path, serializeReflection, deserializeReflection);
    const ask = async (
      messageRequest: reflectionV1.ServerReflectionRequest['messageRequest'],
    ): Promise<reflectionV1.ServerReflectionResponse['messageResponse']> => {
      const answered = new Promise<reflectionV1.ServerReflectionResponse>((resolve) => asking.once('data', resolve));
      asking.write({ host: 'h', messageRequest });
      const { validHost, messageResponse, originalRequest } = await answered;
      expect([validHost, originalRequest]).toEqual(['h', { host: 'h', messageRequest }]);
      return messageResponse;
    };
    expect(await ask({ $case: 'listServices', value: '' })).toEqual({
      $case: 'listServicesResponse',
      value: { service: SERVICES.map((name) => ({ name })) },
    });
    expect(await ask({ $case: 'fileContainingSymbol', value: SERVICES[0] ?? '' })).toMatchObject({
      $case: 'fileDescriptorResponse',
    });
    expect(await ask({ $case: 'fileByFilename', value: 'google/protobuf/any.proto' })).toMatchObject({
      $case: 'fileDescriptorResponse',
    });
    expect(await ask({ $case: 'fileContainingSymbol', value: 'no.Such' })).toEqual({
      $case: 'errorResponse',
      value: { errorCode: grpc.status.NOT_FOUND, errorMessage: 'there is no symbol no.Such here' },
    });
    expect(await ask(undefined)).toMatchObject({ value: { errorCode: grpc.status.INVALID_ARGUMENT } });
    expect(await ask({ $case: 'allExtensionNumbersOfType', value: 'google.protobuf.Any' })).toEqual({
      $case: 'allExtensionNumbersResponse',
      value: { baseTypeName: 'google.protobuf.Any', extensionNumber: [] },
    });
    const ended = new Promise((resolve) => asking.once('end', resolve));
    asking.end();
    asking.resume();
    await ended;
  });
});
