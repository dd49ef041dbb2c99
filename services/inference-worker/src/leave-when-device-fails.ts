import { BmsError, Reason } from '@bms/contracts';
import type { Logger } from '@bms/telemetry';
import type { WorkerDevice } from './devices/worker-device';
import type { PredictStack } from './predict.stack';
import { DEVICE_FAILURE_EXIT_CODE } from './servables/device-health';

export interface LeaveParts {
  readonly device: Pick<WorkerDevice, 'facts' | 'health'>;
  readonly predictions: Pick<PredictStack, 'refuseAll'>;
  /** The registry is told what has changed. */
  readonly reported: () => void;
  readonly requestStop: (reason: string, exitCode: number) => void;
  readonly logger: Logger;
}

/**
 * Where only a new process can use the device again, this one takes nothing more, says so, drains and ends with its own exit
 * code. It waits for nothing first, as other restarts do: nobody is served here any more.
 */
export function leaveWhenDeviceFails({ device, predictions, reported, requestStop, logger }: LeaveParts): void {
  const { provider } = device.facts;
  device.health.onFailure((why) => {
    logger.error({ device: provider, why }, 'the device needs a new process');
    predictions.refuseAll(new BmsError(Reason.DRAINING, 'this worker is going away: its device failed'));
    reported();
    requestStop(`the device ${provider} needs a new process: ${why}`, DEVICE_FAILURE_EXIT_CODE);
  });
}
