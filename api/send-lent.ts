/** Bytes whose memory is used again: each piece is with the system before the next is asked for. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/**
 * All of a body after its head. A client who hangs up is no failure; where the source fails the connection is closed, which tells
 * the client that something is missing: the length was promised already.
 * @throws what the source does
 */
export async function sendLent(response: ServerResponse, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  // Its client may have asked for something before it. Should they leave first, nothing was opened, and nobody is told.
  if (!response.socket && !response.destroyed) await once(response, 'socket');
  try {
    for await (const piece of pieces) if (!(await isTaken(response, piece))) return;
  } catch (error) {
    response.destroy();
    throw error;
  }
  response.end();
}

/** False when there is nobody any more who would take it. */
function isTaken(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const leave = (): void => resolve(false);
    response.once('close', leave);
    response.write(piece, (error) => {
      response.off('close', leave);
      resolve(!error);
    });
  });
}
