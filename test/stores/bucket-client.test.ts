import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import semver from 'semver';

const root = new URL('../..', import.meta.url);

test('opening a bucket says nothing, on whichever Node', () => {
  // A process of its own: the SDK speaks once in each.
  const opens = `
    const { openClient, DEFAULT_PATIENCE } = await import('./stores/bucket-client.ts');
    openClient({ bucket: 'b', prefix: '' }, DEFAULT_PATIENCE).destroy();
    console.log('opened');`;
  const { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: _, ...env } = process.env;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', opens],
    { cwd: root, env, encoding: 'utf8' },
  );
  assert.equal(stdout + stderr, 'opened\n');
});

interface Described {
  readonly engines?: { readonly node?: string };
}

test('every package of the SDK that is locked runs on every Node that we say we support', () => {
  const described = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), 'utf8'));
  const ours = (described('package.json') as Described).engines?.node ?? '';
  const { packages } = described('package-lock.json') as { packages: Record<string, Described> };
  const ofSdk = Object.entries(packages).filter(([path]) =>
    /^node_modules\/(?:@aws-sdk|@smithy)\//.test(path),
  );
  assert.ok(ofSdk.length > 0);
  const narrower = ofSdk.filter(([, { engines }]) => !semver.subset(ours, engines?.node ?? '*'));
  assert.deepEqual(narrower, []);
});
