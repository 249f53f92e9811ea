/**
 * How the command line writes through a running server: JSON over a socket that only the owner of the data may open.
 * Whoever can reach it could as well write to the log itself, so no token is asked for.
 */
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { RegistryError, type ErrorCode } from '../core/errors.ts';
import type { Command } from '../core/decide.ts';
import type { CreatedToken, NewAccount, NewInvitation, NewToken } from '../core/account-book.ts';
import type { Account, Token } from '../core/accounts.ts';
import type { RegistryEvent } from '../core/event.ts';
import type { GarbageProgress, GarbageReport, GarbageWish } from '../core/garbage.ts';
import type { Visibility } from '../core/route.ts';

export interface TokenWish extends NewToken {
  /** What the token begins with, for clients and secret scanners to know it; the registry's own where nothing is said. */
  readonly prefix?: string;
}

/** What an operator can do, here or through the process that holds the log. */
export interface Control {
  execute(
    commands: readonly Command[],
  ): Promise<{ events: readonly RegistryEvent[]; visibility: Visibility }>;
  createToken(wanted: TokenWish): Promise<CreatedToken>;
  revokeToken(tokenId: string): Promise<void>;
  listTokens(): Promise<readonly Token[]>;
  createAccount(wanted: NewAccount): Promise<Account>;
  setPassword(wanted: Required<NewAccount>): Promise<void>;
  listAccounts(): Promise<readonly Account[]>;
  /** The invitation itself, which is kept nowhere. */
  createInvitation(wanted: NewInvitation): Promise<string>;
  removeSecondFactor(handle: string): Promise<void>;
  /** Answers when everything is done, which may take long. */
  collectGarbage(wish: GarbageWish): Promise<GarbageReport>;
  garbageProgress(): Promise<GarbageProgress | null>;
  /** Answers when it can take orders. */
  ping(): Promise<void>;
}

type Method = keyof Control;
const methods: readonly Method[] = [
  'execute',
  'createToken',
  'revokeToken',
  'listTokens',
  'createAccount',
  'setPassword',
  'listAccounts',
  'createInvitation',
  'removeSecondFactor',
  'collectGarbage',
  'garbageProgress',
  'ping',
];

/** Answers control requests; the caller makes it listen. */
export function createControlServer(control: Control): Server {
  return createServer((incoming, response) => {
    void answer(control, incoming).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? null));
    });
  });
}

async function answer(
  control: Control,
  incoming: IncomingMessage,
): Promise<{ status: number; body: unknown }> {
  try {
    const method = methods.find((name) => incoming.url === `/${name}`);
    if (!method) throw new RegistryError('no-route', `no control method ${incoming.url}`);
    const argument: unknown = JSON.parse(await textOf(incoming));
    // Both ends are this program, of one version: the client's types are the check.
    const call = control[method].bind(control) as (argument: unknown) => Promise<unknown>;
    return { status: 200, body: await call(argument) };
  } catch (error) {
    const code = error instanceof RegistryError ? error.code : 'internal';
    return { status: 400, body: { code, message: (error as Error).message } };
  }
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** A process that is stopped or stuck still accepts connections. */
const PING_TIMEOUT_MS = 5_000;

/** Control through the socket of the process that holds the log. @throws Error when nobody listens there. */
export function remoteControl(socketPath: string): Control {
  async function call(method: Method, argument: unknown): Promise<unknown> {
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const patience = method === 'ping' ? { signal: AbortSignal.timeout(PING_TIMEOUT_MS) } : {};
      const outgoing = request({ socketPath, path: `/${method}`, method: 'POST', ...patience }, resolve);
      outgoing.on('error', reject);
      outgoing.end(JSON.stringify(argument ?? null));
    });
    const body: unknown = JSON.parse(await textOf(incoming));
    if (incoming.statusCode === 200) return body;
    const { code, message } = body as { code: ErrorCode; message: string };
    throw new RegistryError(code, message);
  }
  return {
    execute: (commands) => call('execute', commands) as ReturnType<Control['execute']>,
    createToken: (wanted) => call('createToken', wanted) as ReturnType<Control['createToken']>,
    revokeToken: (tokenId) => call('revokeToken', tokenId) as ReturnType<Control['revokeToken']>,
    listTokens: () => call('listTokens', undefined) as ReturnType<Control['listTokens']>,
    createAccount: (wanted) => call('createAccount', wanted) as ReturnType<Control['createAccount']>,
    setPassword: (wanted) => call('setPassword', wanted) as Promise<void>,
    listAccounts: () => call('listAccounts', undefined) as ReturnType<Control['listAccounts']>,
    createInvitation: (wanted) => call('createInvitation', wanted) as Promise<string>,
    removeSecondFactor: (handle) => call('removeSecondFactor', handle) as Promise<void>,
    collectGarbage: (wish) => call('collectGarbage', wish) as Promise<GarbageReport>,
    garbageProgress: () => call('garbageProgress', undefined) as Promise<GarbageProgress | null>,
    ping: () => call('ping', undefined) as Promise<void>,
  };
}
