/** One client's way to publish over HTTP, on connections that stay open. */
import { Agent, request } from 'node:http';

export interface Publisher {
  /** Resolves when the publish is answered with success. */
  publish(body: Buffer): Promise<void>;
  close(): void;
}

export function httpPublisher(url: string, token: string, connections: number): Publisher {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    publish: (body) =>
      new Promise((resolve, reject) => {
        const outgoing = request(
          `${url}/v1/packages/publish`,
          {
            agent,
            method: 'POST',
            headers: { authorization: `Bearer ${token}`, 'content-length': body.length },
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
            response.on('error', reject).on('end', () => {
              if (response.statusCode === 200) resolve();
              else reject(new Error(`publish: ${response.statusCode} ${text}`));
            });
          },
        );
        outgoing.on('error', reject).end(body);
      }),
    close: () => agent.destroy(),
  };
}
