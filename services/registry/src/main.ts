import { runService } from '@bms/lifecycle';
import { startRegistry } from './compose';
import { loadConfig } from './config';
import { runTransfer, transferWish } from './transfer/run-transfer';

void runService(async (environment) => {
  const config = loadConfig(environment);
  const wish = transferWish(config);
  if (wish !== undefined) return runTransfer(wish, config, environment);
  return startRegistry(config, (reason) => environment.requestStop(reason));
});
