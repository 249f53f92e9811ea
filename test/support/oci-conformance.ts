/** The official conformance suites, and what they say in numbers. */
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { goProgram, type GoProgram } from './go-programs.ts';
import type { Login } from './oci-clients.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly disabled: number;
}

export interface Judged {
  readonly verdict: Verdict;
  /** What did not pass, a line each, with the suite's reason. */
  readonly complaints: readonly string[];
}

interface Wanted {
  readonly url: string;
  readonly login?: Login | undefined;
  /** More of the suite's own settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The suite of today. It writes and deletes in `acme/conformance` and `acme/conformance-other`. */
export async function judge(
  t: Pick<TestContext, 'after'>,
  version: '1.1' | 'dev',
  { url, login, settings }: Wanted,
): Promise<Judged> {
  const printed = await runSuite(t, 'conformance', [], {
    OCI_VERSION: version,
    OCI_REGISTRY: new URL(url).host,
    OCI_TLS: 'disabled',
    OCI_REPO1: 'acme/conformance',
    OCI_REPO2: 'acme/conformance-other',
    ...credentials(login),
    ...settings,
  });
  // Its files would be easier to read, but there are none when nothing is pushed: it stumbles over a check that nobody made.
  const [tree, summary] = printed.split(/^OCI Conformance Result: .*$/m);
  if (tree === undefined || summary === undefined) throw new Error(`the suite came to no end:\n${printed}`);
  const count = (status: string): number =>
    Number(new RegExp(`^ *${status}\\.+: +(\\d+)$`, 'm').exec(summary)?.[1]);
  return {
    verdict: {
      passed: count('Pass'),
      failed: count('FAIL') + count('Error'),
      skipped: count('Skip'),
      disabled: count('Disabled'),
    },
    complaints: complaintsIn(tree),
  };
}

/** A check is printed with its status, and reasons on the lines below; groups of checks are printed as well. */
function complaintsIn(tree: string): string[] {
  const checks = tree.split(/^ *(?=OCI Conformance Test\b)/m).slice(1);
  return checks
    .map((check) => check.trim().replaceAll(/\s*\n\s*/g, ' '))
    .filter((check, i, all) => {
      const [, name = ''] = /^(.*?): (?:FAIL|Error|Skip)\b/.exec(check) ?? [];
      return name !== '' && all[i + 1]?.startsWith(`${name}/`) !== true;
    });
}

/** Settings for what can only be read: what is there, of whatever it was pushed with. */
export function readingOnly(repository: string, there: ThereToRead): Record<string, string> {
  const writing = ['PUSH', 'BLOBS_DELETE', 'MANIFESTS_DELETE', 'TAGS_DELETE'];
  return {
    OCI_REPO1: repository,
    ...Object.fromEntries(writing.map((name) => [`OCI_API_${name}`, 'false'])),
    OCI_RO_DATA_TAGS: there.tags.join(' '),
    OCI_RO_DATA_MANIFESTS: there.manifests.join(' '),
    OCI_RO_DATA_BLOBS: there.blobs.join(' '),
    OCI_RO_DATA_REFERRERS: there.subjects.join(' '),
  };
}

interface ThereToRead {
  readonly tags: readonly string[];
  readonly manifests: readonly string[];
  readonly blobs: readonly string[];
  readonly subjects: readonly string[];
}

/** As it was at the end of 2023, all four workflows. It writes and deletes in `acme/suite` and `acme/suite-other`. */
export async function judgeAsOf2023(
  t: Pick<TestContext, 'after'>,
  { url, login, settings }: Wanted,
): Promise<Judged> {
  const workflows = ['PULL', 'PUSH', 'CONTENT_DISCOVERY', 'CONTENT_MANAGEMENT'];
  const printed = await runSuite(t, 'conformance of 2023', ['-ginkgo.no-color'], {
    OCI_ROOT_URL: url,
    OCI_NAMESPACE: 'acme/suite',
    OCI_CROSSMOUNT_NAMESPACE: 'acme/suite-other',
    ...credentials(login),
    ...Object.fromEntries(workflows.map((name) => [`OCI_TEST_${name}`, '1'])),
    ...settings,
  });
  const said = /^\S+ -- (\d+) Passed \| (\d+) Failed \| (\d+) Pending \| (\d+) Skipped$/m.exec(printed);
  if (!said) throw new Error(`the suite came to no end:\n${printed}`);
  const [passed = 0, failed = 0, disabled = 0, skipped = 0] = said.slice(1).map(Number);
  const complaints = [...printed.matchAll(/^ *\[FAIL\] .*\[It\] .*$/gm)].map(([line]) => line.trim());
  return { verdict: { passed, failed, skipped, disabled }, complaints: [...new Set(complaints)] };
}

function credentials(login: Login | undefined): Record<string, string> {
  return login ? { OCI_USERNAME: login.username, OCI_PASSWORD: login.password } : {};
}

/** What takes longer hangs; on a free machine it is seconds. */
const PATIENCE_MS = 300_000;

/** What it printed. */
async function runSuite(
  t: Pick<TestContext, 'after'>,
  suite: GoProgram & `conformance${string}`,
  words: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const program = await goProgram(suite);
  const cwd = await temporaryDirectory(t);
  const env = { PATH: process.env['PATH'], HOME: cwd, ...settings };
  const options = { cwd, env, timeout: PATIENCE_MS, maxBuffer: 64 * 2 ** 20 };
  // Its code says that something failed: what it prints says what.
  return new Promise((resolve) => {
    execFile(program, words, options, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
