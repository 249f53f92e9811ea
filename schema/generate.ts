/** Writes `types.ts` from the hand-written schemas, or with `--check` refuses when it is stale. */
import { readFile, writeFile } from 'node:fs/promises';
import { compileFromFile } from 'json-schema-to-typescript';

const here = new URL('.', import.meta.url);
const sources = ['event.schema.json', 'private-event.schema.json'];
const banner = '/* Generated from the *.schema.json files beside it by `npm run generate`. Do not edit. */\n';

async function generateTypes(): Promise<string> {
  const parts = [];
  for (const source of sources) {
    const text = await compileFromFile(new URL(source, here).pathname, {
      cwd: here.pathname,
      additionalProperties: false,
      bannerComment: '',
      ignoreMinAndMaxItems: true,
      declareExternallyReferenced: true,
      style: { singleQuote: true, printWidth: 110 },
    });
    parts.push(text);
  }
  return banner + parts.join('\n');
}

const target = new URL('types.ts', here);
const wanted = await generateTypes();
if (process.argv.includes('--check')) {
  const found = await readFile(target, 'utf8').catch(() => '');
  if (found !== wanted) {
    console.error('schema/types.ts is stale: run `npm run generate` and commit the result.');
    process.exitCode = 1;
  }
} else {
  await writeFile(target, wanted);
}
