/** Who sends a request, as its surface and the proxies before this server let it be said. */
import type { IncomingMessage } from 'node:http';
import { clientAddress, within } from '../core/networks.ts';
import { siteContext, type Surface } from '../ecosystems/ecosystem.ts';
import type { Settings } from '../schema/types.ts';
import type { Authenticator, Session } from './auth.ts';

export interface SessionDeps {
  readonly auth: Authenticator;
  readonly state: { readonly settings: Settings };
  /** Networks of the proxies before this server, which say where a request comes from. None: nobody is believed. */
  readonly trustedProxies?: readonly string[];
}

export interface Sessions {
  /** Behind a proxy that is not trusted this is the proxy's, for every client. */
  addressOf(request: IncomingMessage): string | undefined;
  /** Refuses nothing: the session does, when it is asked. */
  open(request: IncomingMessage, surface: Surface): Promise<Session>;
}

export function sessionsBy({ auth, state, trustedProxies = [] }: SessionDeps): Sessions {
  const isProxy = within(trustedProxies);
  const addressOf = ({ socket, headers }: IncomingMessage): string | undefined =>
    clientAddress(socket.remoteAddress, headers['x-forwarded-for']?.toString(), isProxy);
  return {
    addressOf,
    open: (request, surface) =>
      auth.open({
        authorization: request.headers.authorization,
        address: addressOf(request),
        takesBasic: surface.takesBasic ?? false,
        takesBareTokens: surface.takesBareTokens ?? false,
        audience: audienceOf(surface, state.settings),
      }),
  };
}

/** Whom access tokens have to be made for; undefined where the surface takes none. */
export function audienceOf(surface: Surface, settings: Settings): string | undefined {
  const site = siteContext(surface, settings);
  return site && surface.takesAccessTokens?.audience(site);
}
