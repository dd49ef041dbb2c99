import { runService } from '@bms/lifecycle';
import { startRegistry } from './compose';
import { loadConfig } from './config';
import { openStore } from './store/open-store';
import { runTransfer, transferWish } from './transfer/run-transfer';

void runService(async (environment) => {
  const config = loadConfig(environment);
  const wish = transferWish(config);
  if (wish !== undefined) return runTransfer(wish, config, environment);
  const stop = (reason: string): void => environment.requestStop(reason);
  return startRegistry(config, stop, undefined, (given) => openStore(given, environment.signal));
});
