/** Requests as tables write them: below a mount, JSON there and JSON back, whatever the protocol. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { git } from './git.ts';
import { bearer, send, type Answer } from './http.ts';
import { storedState, type StoredState } from './stored-state.ts';

export interface Asked {
  /** `POST` where something is sent, `GET` otherwise. */
  readonly method?: string;
  /** Below the mount, without a slash before it. */
  readonly path: string;
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Ask = (asked: Asked) => Promise<Answer>;

export function asker(server: { url: string }, mount: string): Ask {
  return ({ path, token, json, body, headers, method }) => {
    const sent = json === undefined ? body : JSON.stringify(json);
    return send(server.url, `${mount}/${path}`, {
      method: method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : bearer(token)),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    });
  };
}

/** @throws AssertionError when anything at all is stored by what runs; what fails names its row. */
export async function storingNothing<Row extends readonly [what: string, ...rest: unknown[]]>(
  server: { url: string; data: string },
  rows: readonly Row[],
  check: (row: Row) => Promise<void>,
): Promise<void> {
  const before = await everythingStored(server);
  for (const row of rows)
    try {
      await check(row);
    } catch (error) {
      throw new Error(`${row[0]}: ${(error as Error).message}`, { cause: error });
    }
  assert.deepEqual(await everythingStored(server), before);
}

/** Also what the private log says: accounts and tokens. */
async function everythingStored(server: {
  url: string;
  data: string;
}): Promise<StoredState & { privateLog: string }> {
  const privateLog = git(join(server.data, 'private.git'), ['for-each-ref', '--format=%(objectname)']);
  return { ...(await storedState(server)), privateLog };
}
