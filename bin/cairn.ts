#!/usr/bin/env -S node --enable-source-maps
/** The command line: what can be said, and nothing of how it is done: each command is loaded when it runs. */
import { Command, CommanderError, Option } from 'commander';
import { RegistryError } from '../core/errors.ts';
import type { fileAdvisory } from './advisory.ts';
import type { claim } from './claim.ts';
import type { deprecate } from './deprecate.ts';
import type { doctor } from './doctor.ts';
import { ExitCode, exitCodeOf, explain } from './exit-codes.ts';
import type { gc } from './gc.ts';
import type { listMembers, removeMember, setMember } from './member.ts';
import { inOurWords, type OciFlags } from './oci-flags.ts';
import { readOptions, type Flags } from './options.ts';
import type { MoveFlags } from './move.ts';
import type { RegenFlags } from './regen.ts';
import type { changeSettings } from './settings.ts';
import type { createToken } from './token.ts';
import type { offerTransfer } from './transfer.ts';
import type { addUser, inviteUser } from './user.ts';
import { version } from './version.ts';
import type { withdraw } from './withdraw.ts';

const program = new Command('cairn')
  .description('A package registry made of a git log and a bucket of static files.')
  .version(version)
  .showHelpAfterError('(see --help)')
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the registry, 4 the site differs (regen --check, doctor),\n' +
      "5 the log is damaged or is not the site's, 6 the process that holds the log does not answer.\n" +
      'Buckets: CAIRN_BUCKET at first start, CAIRN_S3_ENDPOINT and CAIRN_S3_REGION, credentials as the AWS SDK finds them\n' +
      '(docs/buckets.md); every other setting: docs/operating.md.',
  );

function withData(command: Command): Command {
  return command
    .addOption(new Option('--data <dir>', 'data directory (CAIRN_DATA; default ./cairn-data)'))
    .addOption(new Option('--config <file>', 'configuration file (JSON)'))
    .addOption(new Option('--dotenv <file>', 'more environment, such as .env; what is set already wins'));
}

/** Before anything asks for a variable. @throws RegistryError `bad-request` */
function addEnvironment(file: string): void {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new RegistryError('bad-request', `--dotenv ${file}: ${(error as Error).message}`);
  }
}

function dataOf(flags: Flags): string {
  return readOptions(flags).dataDirectory;
}

withData(program.command('serve'))
  .description('serve API and site; creates the registry at first start')
  .option('--listen <host:port>', 'where to listen (CAIRN_LISTEN; default 127.0.0.1:8080)')
  .option('--public-url <url>', 'origin that clients use (CAIRN_PUBLIC_URL; recorded at first start)')
  .option(
    '--registration <who>',
    'who may make an account: closed, open, invited (CAIRN_REGISTRATION; default closed)',
  )
  .option(
    '--npm-fallback <url>',
    'ask there for npm packages that are not here; or false (CAIRN_NPM_FALLBACK)',
  )
  // As the server says it whose place the OCI surface takes; see `oci-flags.ts`.
  .addOption(new Option('--host <host>').hideHelp())
  .addOption(new Option('-p, --port <port>').hideHelp())
  .addOption(new Option('-s, --storage <type>').hideHelp())
  .addOption(new Option('--root <dir>').hideHelp())
  .addOption(new Option('--url <url>').hideHelp())
  .addOption(new Option('--database-url <url>').hideHelp())
  .addOption(new Option('--s3-bucket <name>').hideHelp())
  .addOption(new Option('--s3-region <region>').hideHelp())
  .addOption(new Option('--s3-endpoint <url>').hideHelp())
  .addOption(new Option('--s3-access-key-id <id>').hideHelp())
  .addOption(new Option('--s3-secret-access-key <secret>').hideHelp())
  .addOption(new Option('--s3-path-style').hideHelp())
  .addOption(new Option('--s3-allow-http').hideHelp())
  .action(async (said: Flags & OciFlags) => {
    const { flags, environment } = inOurWords(said, process.env);
    await (await import('./run-serve.ts')).runServe(readOptions(flags, environment));
  });

withData(program.command('regen'))
  .description('bring the site up to the log, or make it from nothing')
  .option('--out <place>', 'write the site there instead: a directory, or s3://BUCKET/PREFIX')
  .option('--to <place>', 'the same')
  .option('--check', 'make the site aside and compare; changes nothing')
  .option('--full', 'render everything again, also what is up to date')
  .option('--watch', 'go on following the log')
  .option('--accept-log', 'take the log as it is, also when the site was made of another history')
  .option('--json', 'print one JSON object')
  .action(async (flags: Flags & RegenFlags) => (await import('./regen.ts')).regen(dataOf(flags), flags));

const storage = program
  .command('storage')
  .description('where blobs and site are: in directories or in buckets');
withData(storage.command('show'))
  .description('say where they are')
  .option('--json', 'print one JSON object')
  .action(async (flags: Flags & { json?: boolean }) =>
    (await import('./move.ts')).showStorage(dataOf(flags), flags),
  );
withData(storage.command('move'))
  .description(
    'copy them elsewhere, and go by that from then on; may be stopped and run again; no server may run meanwhile',
  )
  .option('--blobs <place>', 's3://BUCKET/PREFIX, or directory')
  .option('--site <place>', 's3://BUCKET/PREFIX, or directory')
  .option('--artifacts <layout>', 'by itself: make the site anew, of copies of all artifacts or of pointers')
  .action(async (flags: Flags & MoveFlags) => (await import('./move.ts')).moveStorage(dataOf(flags), flags));

withData(program.command('log'))
  .description('print the history, of one package or namespace when it is named')
  .argument('[name]', 'such as x07/acme-hello, or npm/@acme')
  .option('--json', 'print the events themselves, one per line')
  .action(async (name: string | undefined, flags: Flags & { json?: boolean }) =>
    (await import('./log.ts')).printLog(dataOf(flags), name, flags),
  );

for (const direction of ['yank', 'unyank'] as const)
  withData(program.command(direction))
    .description(
      direction === 'yank'
        ? 'hide a version from resolution; its bytes stay'
        : 'offer a yanked version again',
    )
    .argument('<release>', 'such as x07/acme-hello@1.0.0')
    .option('--json', 'print the events, one per line')
    .action(async (release: string, flags: Flags & { json?: boolean }) =>
      (await import('./yank.ts')).yank(dataOf(flags), direction, release, flags),
    );

withData(program.command('deprecate'))
  .description('warn users of a package, or of one version, in words that its clients print')
  .argument('<name>', 'such as npm/@acme/lib, or npm/@acme/lib@1.0.0')
  .requiredOption('--message <text>', 'what they read, such as "Use 2.x."')
  .option('--json', 'print the events, one per line')
  .action(async (name: string, flags: Flags & Parameters<typeof deprecate>[2]) =>
    (await import('./deprecate.ts')).deprecate(dataOf(flags), name, flags),
  );
withData(program.command('undeprecate'))
  .description('end that')
  .argument('<name>', 'as it was deprecated')
  .option('--json', 'print the events, one per line')
  .action(async (name: string, flags: Flags & { json?: boolean }) =>
    (await import('./deprecate.ts')).undeprecate(dataOf(flags), name, flags),
  );

const transfer = program
  .command('transfer')
  .description('give a name to another account, which has to accept');
withData(transfer.command('offer'))
  .description('offer a package or a namespace to another account; nothing changes until it accepts')
  .argument('<name>', 'such as npm/@acme/lib, or npm/@acme')
  .requiredOption('--to <handle>', 'the account')
  .option('--expires <days>', 'days until the offer ends; 30 unless given')
  .option('--json', 'print the events, one per line')
  .action(async (name: string, flags: Flags & Parameters<typeof offerTransfer>[2]) =>
    (await import('./transfer.ts')).offerTransfer(dataOf(flags), name, flags),
  );
for (const verb of ['accept', 'cancel'] as const)
  withData(transfer.command(verb))
    .description(
      verb === 'accept'
        ? 'accept in the place of the account it is offered to'
        : 'end an offer that nobody accepted',
    )
    .argument('<name>', 'such as npm/@acme/lib')
    .option('--json', 'print the events, one per line')
    .action(async (name: string, flags: Flags & { json?: boolean }) =>
      (await import('./transfer.ts')).endTransfer(dataOf(flags), verb, name, flags),
    );
withData(transfer.command('list'))
  .description('list what is on offer')
  .option('--json', 'print one JSON object per line')
  .action(async (flags: Flags & { json?: boolean }) =>
    (await import('./transfer.ts')).listTransfers(dataOf(flags), flags),
  );

withData(program.command('withdraw'))
  .description('take the bytes of a version away, for good; its number stays taken, and the history says so')
  .argument('<release>', 'such as ori/@acme/json@1.0.0')
  .requiredOption('--reason <text>', 'why, such as security; what begins with legal is told apart by Ori')
  .option('--json', 'print the events, one per line')
  .action(async (release: string, flags: Flags & Parameters<typeof withdraw>[2]) =>
    (await import('./withdraw.ts')).withdraw(dataOf(flags), release, flags),
  );

const advisory = program.command('advisory').description('advisories: warnings about versions');
withData(advisory.command('file'))
  .description('warn of versions of a package; prints the id of the advisory')
  .argument('<package>', 'such as npm/@acme/lib')
  .option('--range <range>', "the versions, in the ecosystem's own words, such as '<1.4.2'")
  .option('--versions <list>', 'or each of them, such as 1.4.0,1.4.1')
  .addOption(
    new Option('--severity <word>', 'how bad it is')
      .choices(['low', 'medium', 'high', 'critical'])
      .makeOptionMandatory(),
  )
  .addOption(
    new Option('--kind <word>', 'what it warns of')
      .choices(['broken', 'security', 'deprecated'])
      .default('security'),
  )
  .requiredOption('--summary <text>', 'one sentence')
  .option('--url <url>', 'where to read more')
  .option('--aliases <list>', 'what other databases call it, such as CVE-2026-00001')
  .option('--cwe <list>', 'kinds of weakness, such as CWE-79')
  .option('--cvss <vector>', 'a vector such as CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H')
  .option('--details <file>', 'a file with more text')
  .action(async (name: string, flags: Flags & Parameters<typeof fileAdvisory>[2]) =>
    (await import('./advisory.ts')).fileAdvisory(dataOf(flags), name, flags),
  );
withData(advisory.command('withdraw'))
  .description('end a warning; the record stays')
  .argument('<package>', 'such as npm/@acme/lib')
  .argument('<id>', 'as advisory list shows it')
  .action(async (name: string, id: string, flags: Flags) =>
    (await import('./advisory.ts')).withdrawAdvisory(dataOf(flags), name, id),
  );
withData(advisory.command('list'))
  .description('list advisories, withdrawn ones too, of one package when it is named')
  .argument('[package]', 'such as npm/@acme/lib')
  .option('--json', 'print one JSON object per line')
  .action(async (name: string | undefined, flags: Flags & { json?: boolean }) =>
    (await import('./advisory.ts')).listAdvisories(dataOf(flags), name, flags),
  );

withData(program.command('claim'))
  .description('reserve a name before anything is published under it, or a scope with all its names')
  .argument('<name>', 'such as npm/acme-hello or npm/@acme')
  .requiredOption('--owner <handle>', 'the account that may publish there')
  .option('--json', 'print the events, one per line')
  .action(async (name: string, flags: Flags & Parameters<typeof claim>[2]) =>
    (await import('./claim.ts')).claim(dataOf(flags), name, flags),
  );

const member = program
  .command('member')
  .description('members: whom the owners of a name let in, to read what is private or to publish as well');
withData(member.command('set'))
  .description('let an account in, or change what it may do')
  .argument('<name>', 'such as npm/@acme/lib, or npm/@acme for all that is in it')
  .argument('<handle>', 'the account')
  .addOption(
    new Option('--access <word>', 'read what is private, or publish as well')
      .choices(['read', 'write'])
      .makeOptionMandatory(),
  )
  .option('--json', 'print the events, one per line')
  .action(async (name: string, handle: string, flags: Flags & Parameters<typeof setMember>[3]) =>
    (await import('./member.ts')).setMember(dataOf(flags), name, handle, flags),
  );
withData(member.command('remove'))
  .description('put a member out')
  .argument('<name>', 'such as npm/@acme/lib')
  .argument('<handle>', 'as member list shows it')
  .option('--json', 'print the events, one per line')
  .action(async (name: string, handle: string, flags: Flags & Parameters<typeof removeMember>[3]) =>
    (await import('./member.ts')).removeMember(dataOf(flags), name, handle, flags),
  );
withData(member.command('list'))
  .description('list the members of a package and of the namespace that it is in, or of a namespace')
  .argument('<name>', 'such as npm/@acme/lib')
  .option('--json', 'print one JSON object per line')
  .action(async (name: string, flags: Flags & Parameters<typeof listMembers>[2]) =>
    (await import('./member.ts')).listMembers(dataOf(flags), name, flags),
  );

const token = program.command('token').description('tokens: who may do what');
withData(token.command('create'))
  .description('create a token; it is shown only once')
  .argument('<handle>', 'the account it acts for; created when it is new')
  .option('--scopes <list>', 'of read, publish, yank, owner, tokens, admin', 'publish')
  .addOption(
    new Option('--ori <permission>', "in Ori's words instead, and good for Ori alone")
      .choices(['read', 'publish', 'admin'])
      .conflicts('scopes'),
  )
  .option('--label <text>', "the holder's own name for it", '')
  .option('--only <list>', 'places it is good for, such as x07 or x07/acme-hello')
  .option('--from <list>', 'networks it is good from, such as 192.0.2.0/24,2001:db8::/32')
  .option('--bypass-second-factor', 'needs no code where its account has a second factor: for machines')
  .option('--expires <days>', 'days until it ends')
  .option('--json', 'print one JSON object')
  .action(async (handle: string, flags: Flags & Parameters<typeof createToken>[2]) =>
    (await import('./token.ts')).createToken(dataOf(flags), handle, flags),
  );
withData(token.command('list'))
  .description('list tokens; never the tokens themselves')
  .option('--json', 'print one JSON object per line')
  .action(async (flags: Flags & { json?: boolean }) =>
    (await import('./token.ts')).listTokens(dataOf(flags), flags),
  );
withData(token.command('revoke'))
  .description('end a token at once')
  .argument('<id>', 'as token list shows it')
  .action(async (id: string, flags: Flags) => (await import('./token.ts')).revokeToken(dataOf(flags), id));

const user = program.command('user').description('accounts, their passwords and second factors');
withData(user.command('add'))
  .description('create an account; its password is asked for, or read from standard input')
  .argument('<handle>', 'its public name')
  .option('--no-password', 'an account that acts by tokens only')
  .action(async (handle: string, flags: Flags & Parameters<typeof addUser>[2]) =>
    (await import('./user.ts')).addUser(dataOf(flags), handle, flags),
  );
withData(user.command('password'))
  .description('change a password; it is asked for, or read from standard input')
  .argument('<handle>', 'as user list shows it')
  .action(async (handle: string, flags: Flags) =>
    (await import('./user.ts')).setPassword(dataOf(flags), handle),
  );
withData(user.command('list'))
  .description('list accounts')
  .option('--json', 'print one JSON object per line')
  .action(async (flags: Flags & { json?: boolean }) =>
    (await import('./user.ts')).listUsers(dataOf(flags), flags),
  );
withData(user.command('invite'))
  .description('make an invitation, which is good for one account; it is shown only once')
  .option('--handle <handle>', 'the only account it makes; any that is free unless given')
  .option('--expires <days>', 'days until it ends')
  .action(async (flags: Flags & Parameters<typeof inviteUser>[1]) =>
    (await import('./user.ts')).inviteUser(dataOf(flags), flags),
  );
withData(user.command('remove-second-factor'))
  .description('let an account in without a code, when its device and its recovery codes are lost')
  .argument('<handle>', 'as user list shows it')
  .action(async (handle: string, flags: Flags) =>
    (await import('./user.ts')).removeSecondFactor(dataOf(flags), handle),
  );

const keys = program.command('keys').description('keys that sign what is published');
withData(keys.command('list'))
  .description('list keys, and whether their private halves are here')
  .option('--json', 'print one JSON object per line')
  .action(async (flags: Flags & { json?: boolean }) =>
    (await import('./keys.ts')).listKeys(dataOf(flags), flags),
  );
withData(keys.command('rotate'))
  .description('make a new key and retire the old ones, whose signatures stay good; renders everything again')
  .argument('<ecosystem>', 'such as x07')
  .action(async (ecosystem: string, flags: Flags) =>
    (await import('./keys.ts')).rotateKeys(dataOf(flags), ecosystem),
  );

withData(program.command('settings'))
  .description('show what shapes the site; with options, change it on purpose and render everything again')
  .option('--public-url <url>', 'the new origin')
  .option('--mounts <list>', 'such as x07=/,npm=/npm')
  .option('--x07 <json>', 'settings of the X07 surface')
  .option('--npm <json>', 'settings of the npm surface')
  .option('--oci <json>', 'settings of the OCI surface')
  .option('--ori <json>', 'settings of the Ori surface')
  .action(async (flags: Flags & Parameters<typeof changeSettings>[1]) =>
    (await import('./settings.ts')).changeSettings(dataOf(flags), flags),
  );

withData(program.command('gc'))
  .description(
    'remove blobs that no version, name or upload has needed for a while; safe beside a running server',
  )
  .option('--dry-run', 'list what would go, and why; changes nothing')
  .option('--grace <time>', 'how long a blob has to have been unneeded: 7d, 24h or 0', '7d')
  .option('--json', 'print JSON: one object, or one per line with --dry-run')
  .action(async (flags: Flags & Parameters<typeof gc>[1]) =>
    (await import('./gc.ts')).gc(dataOf(flags), flags),
  );

withData(program.command('doctor'))
  .description('look for damage and explain it; changes nothing (of a bucket it tries an object of its own)')
  .option('--deep', 'read every blob and compare its hash')
  .option('--json', 'print one JSON object per finding')
  .action(async (flags: Flags & Parameters<typeof doctor>[1]) =>
    (await import('./doctor.ts')).doctor(dataOf(flags), flags),
  );

program.hook('preAction', (_program, command) => {
  const { dotenv } = command.opts<{ dotenv?: string }>();
  if (dotenv !== undefined) addEnvironment(dotenv);
});

for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)])
  command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  else {
    console.error(`cairn: ${explain(error)}`);
    process.exitCode = exitCodeOf(error);
  }
}
