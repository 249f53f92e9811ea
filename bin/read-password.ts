/** A password that is never an argument: those are seen by every process of the machine, and kept by shells. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { requirePassword } from '../core/passwords.ts';
import { RegistryError } from '../core/errors.ts';

/** More than any password may have: it is refused in the words for that. */
const MOST_BYTES_READ = 16 * 1024;

/** Asked for twice at a terminal, where nobody sees it typed; else one line of standard input. */
export async function readPassword(handle: string): Promise<string> {
  const password = process.stdin.isTTY ? await askTwice(handle) : await readLine();
  requirePassword(password);
  return password;
}

async function askTwice(handle: string): Promise<string> {
  const password = await ask(`Password for ${handle}: `);
  requirePassword(password);
  if ((await ask('Once more: ')) !== password)
    throw new RegistryError('bad-request', 'the two passwords differ; nothing was changed');
  return password;
}

function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  return new Promise((resolve, reject) => {
    terminal.once('line', (line) => {
      resolve(line);
      terminal.close();
    });
    // Control-C and control-D; after a line it says nothing.
    terminal.once('close', () => {
      process.stderr.write('\n');
      reject(new RegistryError('bad-request', 'no password was given'));
    });
  });
}

/** Standard input as a whole, but for the end of its line. */
async function readLine(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).byteLength;
    if (size > MOST_BYTES_READ) break;
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '')
    throw new RegistryError('bad-request', 'no password was given: write it to standard input, in one line');
  if (/[\r\n]/.test(password))
    throw new RegistryError('bad-request', 'a password is one line; standard input had more');
  return password;
}
