import { bearer, send, type Answer } from './http.ts';
import { packX07 } from './x07-package.ts';

/** Publishes version 1.0.0 of a package. */
export function publish(url: string, token: string, name: string, prefix = '/x07'): Promise<Answer> {
  return send(url, `${prefix}/v1/packages/publish`, {
    method: 'POST',
    headers: bearer(token),
    body: packX07({ name, version: '1.0.0' }),
  });
}

/** What the index says of where things are. */
export async function configOf(url: string, prefix = '/x07'): Promise<{ dl: string; api: string }> {
  return JSON.parse((await send(url, `${prefix}/index/config.json`)).text) as { dl: string; api: string };
}
