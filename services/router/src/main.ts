import { runService } from '@bms/lifecycle';
import { startRouter } from './compose';
import { loadConfig } from './config';

void runService((environment) => startRouter(loadConfig(environment)));
