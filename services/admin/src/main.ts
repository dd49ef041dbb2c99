import { runService } from '@bms/lifecycle';
import { startAdmin } from './compose';
import { loadConfig } from './config';

void runService((environment) => startAdmin(loadConfig(environment)));
