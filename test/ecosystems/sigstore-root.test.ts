/** The trusted root of the public Sigstore instance stands in the code, so that nothing has to be fetched for it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { format, resolveConfig } from 'prettier';
import { publicGoodRoot } from '../../ecosystems/sigstore-public-good.ts';

const path = new URL('../../ecosystems/sigstore-public-good.ts', import.meta.url).pathname;

interface Seed {
  readonly targets: Readonly<Record<string, string>>;
}

/** As Sigstore's own client is shipped with it. */
function kept(): unknown {
  const seeds = createRequire(import.meta.url)('@sigstore/tuf/seeds.json') as Record<string, Seed>;
  const target = Object.values(seeds)[0]?.targets['trusted_root.json'] ?? '';
  return JSON.parse(Buffer.from(target, 'base64').toString('utf8'));
}

test('the trusted root is the one that the kept client of Sigstore brings', async (t) => {
  const wanted = await format(
    '/**\n' +
      ' * Trusted root of the public Sigstore instance: its certificate authorities, logs and their keys. Taken from the\n' +
      ' * package `@sigstore/tuf` by `npm run golden`; do not edit.\n' +
      ' */\n' +
      `export const publicGoodRoot: unknown = ${JSON.stringify(kept())};\n`,
    { ...(await resolveConfig(path)), parser: 'typescript' },
  );
  if (process.env['CAIRN_GOLDEN'] === 'write') {
    await writeFile(path, wanted);
    return t.diagnostic('written');
  }
  assert.deepEqual(publicGoodRoot, kept());
  assert.equal(await readFile(path, 'utf8'), wanted);
});
