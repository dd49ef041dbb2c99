import { answerSuite } from './answer-suite.testkit';
import { callSuite } from './call-suite.testkit';
import { channelStateSuite } from './channel-state-suite.testkit';
import { serverLifeSuite } from './server-life-suite.testkit';
import { silenceSuite } from './silence-suite.testkit';
import { streamingSuite } from './streaming-suite.testkit';
import type { TransportKit } from './transport-kit.testkit';

/** All that every transport does alike, so that what lies above need not know which one it is on. */
export function transportSuites(kit: TransportKit): void {
  for (const suite of [answerSuite, callSuite, channelStateSuite, serverLifeSuite, streamingSuite, silenceSuite])
    suite(kit);
}
