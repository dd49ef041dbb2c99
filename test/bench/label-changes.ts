import { bearer } from '@bms/auth';
import { CallMetadata, modelService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, Metadata } from '@bms/transport';
import { LABEL, modelName, TENANT, VERSIONS_PER_MODEL } from './filled-store';

const TIMEOUT_MS = 10_000n;

export interface LabelChanges {
  readonly registry: string;
  readonly token: string;
  readonly changes: number;
  /** How many there are; the changes are spread over them. */
  readonly models: number;
}

/** Moves labels one after the other, and answers how long each took until every router had acknowledged it, in ms. */
export async function changeLabels({ registry, token, changes, models }: LabelChanges): Promise<number[]> {
  const channel = new GrpcChannel(registry);
  const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(token) });
  const client = createClient(modelService.ModelServiceDefinition, channel);
  const durations: number[] = [];
  try {
    for (let turn = 0; turn < changes; turn++) {
      const model = modelName(Math.floor((turn * models) / changes) % models);
      const ref = { tenant: TENANT, model, version: BigInt(VERSIONS_PER_MODEL) };
      const startedMs = performance.now();
      await client.setLabel({ ref, label: `${LABEL}-${turn}`, timeoutMs: TIMEOUT_MS }, { metadata });
      durations.push(performance.now() - startedMs);
    }
  } finally {
    channel.close();
  }
  return durations;
}
