import type { TokenWish } from '../api/control.ts';
import { RegistryError } from '../core/errors.ts';
import { allScopes, type Scope, type TokenLimit } from '../core/permission.ts';
import { ecosystems } from '../ecosystems/index.ts';
import { scopesOf, TOKEN_PREFIX as ORI_PREFIX } from '../ecosystems/ori/permissions.ts';
import { withControl } from './control.ts';
import { inDays } from './days.ts';

interface CreateFlags {
  readonly scopes: string;
  /** Permission of Ori's words; in place of scopes. */
  readonly ori?: string;
  readonly label: string;
  readonly only?: string;
  readonly from?: string;
  readonly bypassSecondFactor?: boolean;
  readonly expires?: string;
  readonly json?: boolean;
}

export async function createToken(dataDirectory: string, handle: string, flags: CreateFlags): Promise<void> {
  const wanted = {
    handle,
    label: flags.label,
    ...powersOf(flags),
    ...(flags.from === undefined ? {} : { addresses: flags.from.split(',').map((text) => text.trim()) }),
    ...(flags.bypassSecondFactor ? { bypassSecondFactor: true } : {}),
    ...(flags.expires === undefined ? {} : { expiresAt: inDays(flags.expires) }),
  };
  const { token, record } = await withControl(dataDirectory, (control) => control.createToken(wanted));
  if (flags.json) {
    const { tokenId, scopes } = record;
    console.log(JSON.stringify({ token, tokenId, handle, scopes }));
    return;
  }
  console.log(token);
  console.error(
    `Token ${record.tokenId} of ${handle} (${record.scopes.join(', ')}). It is shown only this once.`,
  );
}

export async function listTokens(dataDirectory: string, flags: { readonly json?: boolean }): Promise<void> {
  const tokens = await withControl(dataDirectory, (control) => control.listTokens());
  for (const { digest: _secret, ...token } of tokens) {
    if (flags.json) console.log(JSON.stringify(token));
    else {
      const state = token.revokedAt
        ? `revoked ${token.revokedAt}`
        : token.expiresAt
          ? `until ${token.expiresAt}`
          : 'valid';
      console.log([token.tokenId, token.handle, token.scopes.join(','), state, token.label].join('  '));
    }
  }
}

export async function revokeToken(dataDirectory: string, tokenId: string): Promise<void> {
  await withControl(dataDirectory, (control) => control.revokeToken(tokenId));
  console.log(`revoked ${tokenId}`);
}

/** What it may do, and where. A token in Ori's words is good for nothing else. */
function powersOf({ scopes, ori, only }: CreateFlags): Pick<TokenWish, 'scopes' | 'limits' | 'prefix'> {
  if (ori === undefined)
    return { scopes: parseScopes(scopes), ...(only === undefined ? {} : { limits: parseLimits(only) }) };
  const limits = parseLimits(only ?? 'ori');
  const elsewhere = limits.find(({ ecosystem }) => ecosystem !== 'ori');
  if (elsewhere)
    throw new RegistryError('bad-request', `--only ${only}: a token of --ori is good for ori alone`);
  return { scopes: scopesOf(ori), limits, prefix: ORI_PREFIX };
}

function parseScopes(text: string): Scope[] {
  const scopes = text.split(',').map((scope) => scope.trim());
  const unknown = scopes.find((scope) => !(allScopes as readonly string[]).includes(scope));
  if (unknown !== undefined)
    throw new RegistryError(
      'bad-request',
      `there is no scope ${unknown}; there are: ${allScopes.join(', ')}`,
    );
  return scopes as Scope[];
}

function parseLimits(text: string): TokenLimit[] {
  return text.split(',').map((place) => {
    const [ecosystem = '', ...name] = place.trim().split('/');
    if (!Object.hasOwn(ecosystems, ecosystem))
      throw new RegistryError(
        'bad-request',
        `--only ${place}: there is no ecosystem ${ecosystem}; there are: ${Object.keys(ecosystems).join(', ')}`,
      );
    return { ecosystem, ...(name.length > 0 ? { namespace: name.join('/') } : {}) };
  });
}
