/** Access tokens of a registry in memory, with accounts and a clock to set. */
import { AccessTokens, type AccessTokensDeps } from '../../core/access-tokens.ts';
import { AccountBook } from '../../core/account-book.ts';
import { privateLines } from '../../core/event.ts';
import type { AccessKeys, Clock } from '../../core/ports.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { RotatingKeys } from '../../core/rotating-keys.ts';
import { MemoryAccessKeys, MemoryLog, MemoryTokenUse } from '../../stores/memory.ts';
import { aClock, countedIds, type TestClock } from './registry.ts';

export type Said = Pick<AccessTokensDeps, 'accounts' | 'ids'> & { readonly clock: Clock } & Partial<
    Pick<AccessTokensDeps, 'issuer' | 'lifetimeSeconds' | 'administrator' | 'environment'>
  > & { readonly keys?: AccessKeys };

export function accessTokensOf({ keys = new MemoryAccessKeys(), ...said }: Said): AccessTokens {
  return new AccessTokens({
    issuer: () => 'https://registry.example',
    lifetimeSeconds: 300,
    administrator: undefined,
    ...said,
    keys: new RotatingKeys({ keys, clock: said.clock }),
  });
}

export interface TokenBench {
  readonly book: AccountBook;
  readonly clock: TestClock;
  readonly keys: MemoryAccessKeys;
  readonly tokens: AccessTokens;
  /** The same registry after a restart, or with something else about it. */
  again(other?: Partial<Said>): AccessTokens;
}

export function openTokenBench(): TokenBench {
  const clock = aClock(0);
  const ids = countedIds();
  const journal = new PrivateJournal({ log: new MemoryLog(privateLines), clock, ids });
  const book = new AccountBook({ journal, clock, ids, tokenUse: new MemoryTokenUse() });
  const keys = new MemoryAccessKeys();
  return {
    book,
    clock,
    keys,
    tokens: accessTokensOf({ accounts: book, clock, ids, keys }),
    again: (other) =>
      accessTokensOf({ accounts: book, clock, ids, keys: new MemoryAccessKeys(keys), ...other }),
  };
}
