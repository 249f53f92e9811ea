/** Programs written in Go, pinned, and compiled here once: nobody hands them out in a package. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cache, installOnce } from './npm-clients.ts';

interface PinnedModule {
  readonly package: string;
  readonly version: string;
  /** Its tests are the program. */
  readonly isTest?: boolean;
}

const suite = 'github.com/opencontainers/distribution-spec/conformance';

const pinned = {
  crane: { package: 'github.com/google/go-containerregistry/cmd/crane', version: 'v0.22.1' },
  oras: { package: 'oras.land/oras/cmd/oras', version: 'v1.3.6' },
  /** A server that speaks S3, over a directory. */
  versitygw: { package: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' },
  /** The official suite as it was redesigned for what comes after 1.1. */
  conformance: { package: suite, version: 'v0.0.0-20260831232431-97274622c111' },
  /** As it was before 1.1 came out; of the state that was tagged there is no module. */
  'conformance of 2023': { package: suite, version: 'v0.0.0-20231101194043-f2182352d4cc', isTest: true },
} satisfies Record<string, PinnedModule>;

export type GoProgram = keyof typeof pinned;

/** Why none can be compiled here; undefined when they can. */
export const noGo: string | undefined =
  spawnSync('go', ['version']).status === 0 ? undefined : 'go is not on this machine';

/** Of the program, compiled when it is not there yet: half a minute each, two for versitygw, the modules of others included. */
export async function goProgram(name: GoProgram): Promise<string> {
  const wanted: PinnedModule = pinned[name];
  const program = name.replaceAll(' ', '-');
  const folder = join(cache, `${program}-${wanted.version}`);
  await installOnce(folder, (fresh) => [
    ...(['env', 'CGO_ENABLED=0', 'GOFLAGS=-mod=mod', 'GOTOOLCHAIN=local', `GOBIN=${fresh}`] as const),
    ...(wanted.isTest ? testsOf(wanted, program) : ['go', 'install', `${wanted.package}@${wanted.version}`]),
  ]);
  return join(folder, program);
}

/** Tests are compiled from a module that requires theirs, with the versions that theirs asks for. */
function testsOf({ package: name, version }: PinnedModule, program: string): string[] {
  const steps = ['go mod init suite', `go get -t ${name}@${version}`, `go test -c -o ${program} ${name}`];
  return ['sh', '-ec', steps.join('\n')];
}
