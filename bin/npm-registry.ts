/** The registry that this machine's own npm asks. */
import registryUrl from 'registry-url';
import { RegistryError } from '../core/errors.ts';

/** As npm's environment variables, or a file `.npmrc` from here upwards, say. @throws RegistryError `bad-request` */
export function registryOfThisMachine(): string {
  return parseUpstreamUrl(registryUrl(), "npm's configuration on this machine");
}

/** Without a final slash. @throws RegistryError `bad-request` for anything but a plain address: nobody is logged in there. */
export function parseUpstreamUrl(text: string, whose: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.search ||
    url.hash ||
    url.username ||
    url.password
  )
    // Not what was said: it may hold a password.
    throw new RegistryError(
      'bad-request',
      `${whose} must be a URL such as https://registry.example/npm, without credentials; or false`,
    );
  return url.href.replace(/\/+$/, '');
}
