// `npm run test:interop-h2`: gRPC's interoperability cases between our transport and others', each as client and as server. Its one argument
// is JSON: what is installed beside Node.js.
import { clientEnds, serverEnds, type ClientEnd, type ForeignTools, type ServerEnd } from './ends';

const tools = JSON.parse(process.argv[2] ?? '{"folder":"."}') as ForeignTools;

/** Pairs in which one end is ours. */
function pairs(): (readonly [ClientEnd, ServerEnd])[] {
  const servers = serverEnds(tools);
  return clientEnds(tools).flatMap((client) =>
    servers.flatMap((server) => ([client.name, server.name].includes('ours') ? [[client, server] as const] : [])),
  );
}

async function main(): Promise<number> {
  let [passed, failed] = [0, 0];
  for (const [client, server] of pairs()) {
    const running = await server.start();
    const outcomes = [...(await client.run(running.port))];
    await running.stop();
    const failures = outcomes.filter(([, why]) => why !== undefined);
    passed += outcomes.length - failures.length;
    failed += failures.length;
    console.log(
      `${client.name.padEnd(8)} → ${server.name.padEnd(8)} ${outcomes.length - failures.length} of ${outcomes.length}`,
    );
    for (const [name, why] of failures) console.log(`  ${name}: ${why}`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
