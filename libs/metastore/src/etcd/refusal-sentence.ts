import type { Refusal } from './call-failure';

/** Who asked for what. */
export interface Asked {
  /** The user that we are, if any. */
  readonly user: string | undefined;
  /** A key or a prefix. */
  readonly what: string;
}

/** What etcd's refusal means for whoever runs the mesh: one sentence, with the setting to look at. */
export function refusalSentence(refusal: Refusal, why: string, { user, what }: Asked): string {
  const name = user === undefined ? 'a client without --store-user' : `user ${JSON.stringify(user)}`;
  switch (refusal) {
    case 'user-needed':
      return 'etcd asks for a user: set --store-user and --store-password-file';
    case 'credentials':
      return `etcd knows no ${name} with this password: check --store-user and --store-password-file`;
    case 'permission':
      return `etcd does not let ${name} use ${JSON.stringify(what)}: grant it there, or change --store-user or --store-prefix`;
    case 'no-space':
      return 'etcd takes no writes, its space is used up (alarm NOSPACE): compact and defragment it, then disarm the alarm';
    default:
      return `etcd refuses to use ${JSON.stringify(what)}: ${why}`;
  }
}
