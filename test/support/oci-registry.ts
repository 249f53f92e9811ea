/** An OCI registry in this process, with people in it who act by tokens, by passwords, or as nobody. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { decodeJwt } from 'jose';
import { remoteControl, type Control } from '../../api/control.ts';
import type { NewToken } from '../../core/account-book.ts';
import type { Access } from '../../core/access-tokens.ts';
import { ociApi, type Credentials, type OciApi } from './oci-api.ts';
import { makeToken } from './stored-state.ts';
import { openTestServer } from './test-server.ts';

export const PASSWORD = 'correct horse battery';

export interface OciRegistry extends OciApi {
  readonly url: string;
  readonly data: string;
  readonly control: Control;
  /** By a new token of the account, good for all that a password is good for unless told. */
  someone(handle: string, wanted?: Partial<NewToken>): Promise<Credentials>;
  /** By a password; the account is made. */
  withPassword(handle: string): Promise<Credentials>;
}

const scopes = ['read', 'publish', 'yank', 'owner'] as const;

export async function openOciRegistry(
  t: Pick<TestContext, 'after'>,
  env: Record<string, string> = {},
): Promise<OciRegistry> {
  const server = await openTestServer(t, env);
  const { url, data } = server;
  const control = remoteControl(join(data, 'control.sock'));
  return {
    ...ociApi(server),
    url,
    data,
    control,
    someone: async (handle, wanted = {}) => [handle, await makeToken(data, { handle, scopes, ...wanted })],
    async withPassword(handle) {
      await control.createAccount({ handle, password: PASSWORD });
      return [handle, PASSWORD];
    },
  };
}

/** What an access token says that it is good for. */
export function accessIn(token: string): readonly Access[] {
  return (decodeJwt(token) as unknown as { access: readonly Access[] }).access;
}
