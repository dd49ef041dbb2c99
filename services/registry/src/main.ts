import { runService } from '@bms/lifecycle';
import { startRegistry } from './compose';
import { loadConfig } from './config';

void runService((environment) => startRegistry(loadConfig(environment), (reason) => environment.requestStop(reason)));
