import { flagOf, variableOf } from '@bms/settings';
import { PortTakenError } from '@bms/transport';
import { StartError } from './run-service';

/**
 * The port that `listen` resolves with. Where it fails, throws {@link StartError} that also names the setting that
 * moves the port: `setting` is its key, such as `grpcPort`.
 */
export async function listening(setting: string, listen: () => Promise<number>): Promise<number> {
  try {
    return await listen();
  } catch (error) {
    const remedy = error instanceof PortTakenError ? 'stop that process, or choose another port with' : 'see';
    const sentence = error instanceof Error ? error.message : String(error);
    throw new StartError(`${sentence}: ${remedy} ${flagOf(setting)} (${variableOf(setting)})`, { cause: error });
  }
}
