/** Stands between clients and a server, and writes down what they ask and what they are told. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Exchange {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
}

export interface Recorder {
  readonly url: string;
  readonly exchanges: readonly Exchange[];
}

export async function record(t: Pick<TestContext, 'after'>, server: { url: string }): Promise<Recorder> {
  const exchanges: Exchange[] = [];
  const origin = new URL(server.url);
  const front = createServer((incoming, answer) => {
    const { method = 'GET', url: path = '/' } = incoming;
    const outgoing = request({
      host: origin.hostname,
      port: origin.port,
      method,
      path,
      headers: incoming.rawHeaders,
    });
    outgoing.on('error', (error) => answer.destroy(error));
    outgoing.on('response', (told) => {
      exchanges.push({ method, path, status: told.statusCode ?? 0 });
      passOn(told, answer);
    });
    incoming.pipe(outgoing);
  });
  await once(front.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    front.close();
    front.closeAllConnections();
  });
  const host = `127.0.0.1:${(front.address() as AddressInfo).port}`;
  return { url: `http://${host}`, exchanges };

  function passOn(told: IncomingMessage, answer: ServerResponse): void {
    // Clients are sent for a token to where they came to: crane trusts no other place.
    const headers = told.rawHeaders.map((text) => text.replaceAll(`//${origin.host}/`, `//${host}/`));
    answer.writeHead(told.statusCode ?? 502, headers);
    told.on('error', () => answer.destroy());
    told.pipe(answer);
  }
}
