import { runService } from '@bms/lifecycle';
import { startWorker } from './compose';
import { loadConfig } from './config';

void runService((environment) => startWorker(loadConfig(environment), environment));
