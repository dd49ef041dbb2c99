import { runService } from '@bms/lifecycle';
import { startWorker } from './compose';
import { loadConfig } from './config';

// So that cuda:1 is the GPU that nvidia-smi calls 1: CUDA's own order is by speed. Read when its libraries are loaded.
process.env['CUDA_DEVICE_ORDER'] ??= 'PCI_BUS_ID';

void runService((environment) => startWorker(loadConfig(environment), environment));
