import {
  BmsError,
  DEVICE_FALLBACKS,
  DEVICE_WISHES,
  EXECUTORS_MAX,
  EXECUTION_PROVIDERS,
  GRAPH_OPTIMIZATIONS,
  INTRA_OP_THREADS_MAX,
  PROVIDER_OPTION_NAME,
  PROVIDER_OPTION_VALUE_MAX_CHARACTERS,
  PROVIDER_OPTIONS_MAX,
  Reason,
  REPLICAS_MAX,
  RESERVED_PROVIDER_OPTIONS,
  type FieldViolation,
  type models as proto,
} from '@bms/contracts';
import { checkBatchingConfig } from './batching-config';
import type { VersionConfigRecord } from '../records/values';

/** How much of a wrong value is quoted. */
const QUOTED_CHARACTERS = 60;

type Refuse = (field: string, value: string | number, allowed: string) => void;

/** Checks how a version is to be served. Throws INVALID_CONFIG that names every wrong field and what is allowed. */
export function checkVersionConfig(config: proto.VersionConfig | undefined): VersionConfigRecord {
  const { replicas = 0, intraOpThreads = 0, graphOptimization = '', device = '', fallback = '' } = config ?? {};
  const { executors = 0 } = config ?? {};
  const violations: FieldViolation[] = [];
  const refuse: Refuse = (field, value, allowed) => {
    const quoted = JSON.stringify(typeof value === 'string' ? value.slice(0, QUOTED_CHARACTERS) : value);
    violations.push({ field: `config.${field}`, description: `${quoted} is not allowed: ${allowed}` });
  };
  const checkWord = (field: string, value: string, allowed: readonly string[], empty: string): void => {
    if (value !== '' && !allowed.includes(value))
      refuse(field, value, `one of ${allowed.join(', ')}, or "" for ${empty}`);
  };
  if (replicas < 0 || replicas > REPLICAS_MAX) {
    refuse('replicas', replicas, `1 to ${REPLICAS_MAX} workers, or 0 for the mesh's default`);
  }
  if (intraOpThreads < 0 || intraOpThreads > INTRA_OP_THREADS_MAX) {
    refuse('intra_op_threads', intraOpThreads, `1 to ${INTRA_OP_THREADS_MAX} threads, or 0 for the worker's default`);
  }
  if (executors < 0 || executors > EXECUTORS_MAX) {
    refuse('executors', executors, `1 to ${EXECUTORS_MAX} sessions a worker, or 0 for what it measures`);
  }
  checkWord('graph_optimization', graphOptimization, GRAPH_OPTIMIZATIONS, 'all');
  checkWord('device', device, DEVICE_WISHES, 'any');
  checkWord('fallback', fallback, DEVICE_FALLBACKS, 'none');
  const providerOptions = checkProviderOptions(config?.providerOptions ?? {}, refuse);
  const batching = checkBatchingConfig(config?.batching, refuse);
  if (violations.length > 0) {
    const sentence = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
    throw new BmsError(Reason.INVALID_CONFIG, sentence, { violations });
  }
  return { replicas, intraOpThreads, graphOptimization, device, fallback, providerOptions, executors, batching };
}

/** Only their form: whether a provider has an option of that name, the runtime on the worker knows. */
function checkProviderOptions(
  given: proto.VersionConfig['providerOptions'],
  refuse: Refuse,
): VersionConfigRecord['providerOptions'] {
  for (const [provider, { options }] of Object.entries(given)) {
    const field = `provider_options.${provider.slice(0, QUOTED_CHARACTERS)}`;
    if (!(EXECUTION_PROVIDERS as readonly string[]).includes(provider)) {
      refuse('provider_options', provider, `options are given to one of ${EXECUTION_PROVIDERS.join(', ')}`);
      continue;
    }
    const entries = Object.entries(options);
    if (entries.length > PROVIDER_OPTIONS_MAX) {
      refuse(field, entries.length, `at most ${PROVIDER_OPTIONS_MAX} options`);
      continue;
    }
    for (const [name, value] of entries) checkOption(field, name, value, refuse);
  }
  return Object.fromEntries(Object.entries(given).map(([provider, { options }]) => [provider, { ...options }]));
}

function checkOption(field: string, name: string, value: string, refuse: Refuse): void {
  if (!PROVIDER_OPTION_NAME.test(name)) {
    refuse(field, name, 'an option is a letter, then letters, digits, "_" or ".", at most 64 characters');
  } else if ((RESERVED_PROVIDER_OPTIONS as readonly string[]).includes(name)) {
    refuse(field, name, "which device it is, the worker's --device decides");
  } else if (value.length > PROVIDER_OPTION_VALUE_MAX_CHARACTERS || value.includes('\0')) {
    const most = `a text of at most ${PROVIDER_OPTION_VALUE_MAX_CHARACTERS} characters without NUL`;
    refuse(`${field}.${name}`, value, most);
  }
}
