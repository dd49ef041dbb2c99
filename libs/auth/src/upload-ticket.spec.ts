import { Reason } from '@bms/contracts';
import { SignJWT } from 'jose';
import { signUploadTicket, verifyUploadTicket, type UploadTicket } from './upload-ticket';

const ticket: UploadTicket = { tenant: 'default', model: 'digits', principal: 'someone', blobs: { abc: 5 } };
const NOW_MS = 1_800_000_000_000;

describe('an upload ticket', () => {
  it('tells any holder of the token what it allows', async () => {
    const signed = await signUploadTicket('secret', ticket, NOW_MS + 60_000);
    await expect(verifyUploadTicket('secret', signed, NOW_MS)).resolves.toMatchObject(ticket);
  });

  it.each([
    ['too old', async () => signUploadTicket('secret', ticket, NOW_MS - 1_000)],
    ['signed with another token', async () => signUploadTicket('other', ticket, NOW_MS + 60_000)],
    ['unsigned', async () => `${btoa('{"alg":"none"}')}.${btoa(JSON.stringify(ticket))}.`],
    ['no ticket at all', async () => 'ticket'],
    ['empty', async () => ''],
    [
      'for something else',
      async () =>
        new SignJWT({ ...ticket })
          .setProtectedHeader({ alg: 'HS256' })
          .setAudience('other')
          .setExpirationTime('1h')
          .sign(new TextEncoder().encode('upload-ticket:secret')),
    ],
  ])('is refused when it is %s', async (_name, make) => {
    await expect(verifyUploadTicket('secret', await make(), NOW_MS)).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
    });
  });
});
