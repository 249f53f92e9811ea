import { existsSync } from 'node:fs';
import { remoteControl, type Control } from '../api/control.ts';
import { RegistryError, Unreachable } from '../core/errors.ts';
import { operator } from '../core/permission.ts';
import { writerLockPath } from '../stores/git-log.ts';
import { livingOwner, LockHeld } from '../stores/writer-lock.ts';
import { layout } from './layout.ts';
import { openRegistry, OPERATOR, type Registry } from './open-registry.ts';

const TOKEN_PREFIX = 'cairn_';

/** Control of a registry that this process holds. */
export function localControl(registry: Registry): Control {
  return {
    async execute(commands) {
      const events = await registry.writer.execute({ actor: operator(OPERATOR), plan: () => commands });
      const visibility = await registry.publisher.visible(registry.state.length);
      return { events, visibility };
    },
    createToken: ({ prefix = TOKEN_PREFIX, ...wanted }) => registry.accounts.createToken(prefix, wanted),
    revokeToken: (tokenId) => registry.accounts.revokeToken(tokenId, OPERATOR),
    listTokens: async () => registry.accounts.tokens,
    createAccount: (wanted) => registry.accounts.createAccount(wanted, OPERATOR),
    setPassword: ({ handle, password }) => registry.accounts.setPassword(handle, password, OPERATOR),
    listAccounts: async () => registry.accounts.accounts,
    createInvitation: (wanted) => registry.accounts.createInvitation(wanted, OPERATOR),
    removeSecondFactor: (handle) => registry.accounts.removeSecondFactor(handle, OPERATOR),
    collectGarbage: (wish) => registry.garbage.collect(wish),
    garbageProgress: async () => registry.garbage.progress ?? null,
    ping: async () => undefined,
  };
}

/** Runs something with control over the registry: through the running server when there is one, else by ourselves. */
export async function withControl<T>(
  dataDirectory: string,
  use: (control: Control) => Promise<T>,
): Promise<T> {
  const owner = livingOwner(writerLockPath(layout(dataDirectory).log));
  if (owner?.contact !== undefined) {
    const control = remoteControl(owner.contact);
    await waitForAnswer(control, owner.pid);
    return use(control);
  }
  requireRegistry(dataDirectory);
  let registry: Registry;
  try {
    registry = await openRegistry({ dataDirectory });
  } catch (error) {
    if (error instanceof LockHeld) throw new Unreachable(error.message, { cause: error });
    throw error;
  }
  try {
    return await use(localControl(registry));
  } finally {
    await registry.close();
  }
}

/** @throws RegistryError `not-found` where no registry has been started yet. */
export function requireRegistry(dataDirectory: string): void {
  if (existsSync(layout(dataDirectory).log)) return;
  throw new RegistryError(
    'not-found',
    `there is no registry in ${dataDirectory}; start one with: cairn serve --data ${dataDirectory}`,
  );
}

/** A server takes the log before it listens, and closes its socket before it lets the log go. */
const CONTACT_PATIENCE_MS = 5_000;
const CONTACT_POLL_MS = 100;

async function waitForAnswer(control: Control, pid: number): Promise<void> {
  for (let waited = 0; ; waited += CONTACT_POLL_MS) {
    try {
      await control.ping();
      return;
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      if (waited >= CONTACT_PATIENCE_MS)
        throw new Unreachable(
          `process ${pid} holds the log and does not answer; is it starting or stopping?`,
          {
            cause: error,
          },
        );
    }
    await new Promise((next) => setTimeout(next, CONTACT_POLL_MS));
  }
}
