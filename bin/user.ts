import { withControl } from './control.ts';
import { inDays } from './days.ts';
import { readPassword } from './read-password.ts';

interface AddFlags {
  /** `--no-password` */
  readonly password: boolean;
}

interface InviteFlags {
  readonly handle?: string;
  readonly expires?: string;
}

export async function addUser(dataDirectory: string, handle: string, flags: AddFlags): Promise<void> {
  const password = flags.password ? await readPassword(handle) : undefined;
  await withControl(dataDirectory, (control) =>
    control.createAccount({ handle, ...(password === undefined ? {} : { password }) }),
  );
  console.log(`created ${handle}`);
  if (password === undefined) console.error(`It acts by tokens: cairn token create ${handle}`);
}

export async function setPassword(dataDirectory: string, handle: string): Promise<void> {
  const password = await readPassword(handle);
  await withControl(dataDirectory, (control) => control.setPassword({ handle, password }));
  console.log(`changed the password of ${handle}`);
}

export async function listUsers(dataDirectory: string, flags: { readonly json?: boolean }): Promise<void> {
  const accounts = await withControl(dataDirectory, (control) => control.listAccounts());
  for (const account of accounts)
    if (flags.json) console.log(JSON.stringify(account));
    else {
      const { handle, createdAt, hasPassword, secondFactor, email } = account;
      const means = hasPassword ? 'password' : 'tokens only';
      const factor = secondFactor === undefined ? [] : [`second factor (${secondFactor})`];
      console.log([handle, createdAt, means, ...factor, ...(email ? [email] : [])].join('  '));
    }
}

/** Plain output is the invitation alone, for a script to take. */
export async function inviteUser(dataDirectory: string, flags: InviteFlags): Promise<void> {
  const { handle, expires } = flags;
  const wanted = {
    ...(handle === undefined ? {} : { handle }),
    ...(expires === undefined ? {} : { expiresAt: inDays(expires) }),
  };
  console.log(await withControl(dataDirectory, (control) => control.createInvitation(wanted)));
  console.error(
    `An invitation for ${handle ?? 'one new account'}, shown only this once. It works where the registry is served ` +
      'with --registration invited.',
  );
}

export async function removeSecondFactor(dataDirectory: string, handle: string): Promise<void> {
  await withControl(dataDirectory, (control) => control.removeSecondFactor(handle));
  console.log(`removed the second factor of ${handle}`);
}
