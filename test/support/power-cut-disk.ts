/**
 * A disk whose power can be cut, for tests that ask what a crash leaves behind.
 *
 * Three file systems lie inside each other: `shelf` (XFS, because it can clone a file in one atomic step) holds
 * `drive.img`; `drive` (ext4) holds `disk.img`; `disk` is what the test writes to. A write that was not fsynced
 * stays in the memory of `disk`, a block that was not followed by a FLUSH stays in the memory of `drive`, and
 * cloning `drive.img` leaves both behind, while the writer keeps running and never notices.
 *
 * What it cannot show: a drive that keeps only some of the blocks it was not told to flush; here it loses all.
 * What it needs: nobody on the machine who calls `sync`, and a cut within 30 s of the write it is to lose, after
 * which the kernel starts to write back on its own.
 */
import { execFile, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { constants, copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * On ext4 one fsync, of any file, makes every earlier create and rename durable, so a forgotten directory fsync
 * only shows if nothing else is fsynced before the cut. Btrfs persists little more than the file that was asked
 * for, so it finds more of them, but needs btrfs-progs and a kernel (6.7) that mounts a clone beside its original.
 */
export type CutFileSystem = 'ext4' | 'btrfs';

/** A mounted directory that exists until it is closed; closing twice is harmless. */
export interface MountedDisk {
  readonly directory: string;
  close(): Promise<void>;
}

/** What a cut left, mounted writable after journal recovery; independent of the disk and of later cuts. */
export type CutImage = MountedDisk;

/** A disk to write to; `close` also closes the images of its cuts. */
export interface PowerCutDisk extends MountedDisk {
  /** Takes what a power cut at this instant would leave. Writers may be running, and go on undisturbed. */
  cut(): Promise<CutImage>;
}

type Kind = 'xfs' | CutFileSystem;
type Later = (undo: () => Promise<unknown>) => void;

// Nothing may reach a disk except by an fsync: no periodic commit, no lazy initialisation in the background,
// and no rescue of programs that rename a file they did not fsync (ext4's auto_da_alloc).
const FORMATS: Record<Kind, { format: string[]; mount: string }> = {
  xfs: { format: ['-q', '-K', '-m', 'reflink=1'], mount: 'loop' },
  ext4: {
    format: ['-q', '-F', '-m', '0', '-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'],
    mount: 'loop,commit=300,noauto_da_alloc',
  },
  btrfs: { format: ['-q', '-K'], mount: 'loop,commit=300' },
};

const mounted = new Set<string>();
const homes = new Set<string>();
// A root shell does not always have the directories of mkfs on its path.
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

// A test process that is interrupted never reaches its `close`, and mounts outlive processes. The test runner
// ends its files with SIGTERM, which by default skips the exit handlers.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.on('exit', () => {
  for (const directory of [...mounted].reverse()) spawnSync('umount', ['--lazy', directory], { env });
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

async function run(program: string, args: string[]): Promise<void> {
  await promisify(execFile)(program, args, { env });
}

async function makeHome(later: Later): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'power-cut-'));
  homes.add(home);
  later(async () => {
    await rm(home, { recursive: true, force: true });
    homes.delete(home);
  });
  return home;
}

async function formatImage(image: string, kind: Kind, sizeMiB: number): Promise<void> {
  await writeFile(image, '');
  await truncate(image, sizeMiB * 1024 * 1024);
  await run(`mkfs.${kind}`, [...FORMATS[kind].format, image]);
}

async function mountImage(image: string, kind: Kind, directory: string, later: Later): Promise<void> {
  await mkdir(directory);
  await run('mount', ['-t', kind, '-o', FORMATS[kind].mount, image, directory]);
  mounted.add(directory);
  later(async () => {
    // A writer that still holds a file open must not keep the mount, and with it the machine, from being tidied.
    await run('umount', [directory]).catch(() => run('umount', ['--lazy', directory]));
    mounted.delete(directory);
  });
}

/** Runs `prepare`; what it registered with `later` is undone, last first, by `close` or by its own failure. */
async function openDisk(prepare: (later: Later) => Promise<string>): Promise<MountedDisk> {
  const undos: (() => Promise<unknown>)[] = [];
  const close = async () => {
    const failures: unknown[] = [];
    for (const undo of undos.splice(0).reverse())
      await undo().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, 'a test disk was not tidied away completely');
  };
  try {
    return { directory: await prepare((undo) => undos.push(undo)), close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** Opens a disk of `sizeMiB` (512 unless told; at least 4, for btrfs 128) whose power can be cut. */
export async function openPowerCutDisk(
  options: { sizeMiB?: number; fileSystem?: CutFileSystem } = {},
): Promise<PowerCutDisk> {
  const { sizeMiB = 512, fileSystem = 'ext4' } = options;
  let [home, cuts] = ['', 0];
  let laterOnDisk: Later = () => undefined;
  const disk = await openDisk(async (later) => {
    laterOnDisk = later;
    home = await makeHome(later);
    // All sparse: the shelf has room for several cuts that have nothing in common any more.
    const driveMiB = Math.ceil(sizeMiB * 1.1) + 128;
    await formatImage(join(home, 'shelf.img'), 'xfs', 8 * driveMiB);
    await mountImage(join(home, 'shelf.img'), 'xfs', join(home, 'shelf'), later);
    await formatImage(join(home, 'shelf/drive.img'), 'ext4', driveMiB);
    await mountImage(join(home, 'shelf/drive.img'), 'ext4', join(home, 'drive'), later);
    await formatImage(join(home, 'drive/disk.img'), fileSystem, sizeMiB);
    await mountImage(join(home, 'drive/disk.img'), fileSystem, join(home, 'disk'), later);
    return join(home, 'disk');
  });

  const cut = async (): Promise<CutImage> => {
    const name = `cut-${++cuts}`;
    const image = await openDisk(async (later) => {
      const clone = join(home, 'shelf', `${name}.img`);
      later(() => rm(clone, { force: true }));
      await copyFile(join(home, 'shelf/drive.img'), clone, constants.COPYFILE_FICLONE_FORCE);
      await mountImage(clone, 'ext4', join(home, `${name}-drive`), later);
      await mountImage(join(home, `${name}-drive/disk.img`), fileSystem, join(home, name), later);
      return join(home, name);
    });
    laterOnDisk(() => image.close());
    return image;
  };
  return { ...disk, cut };
}

/** Opens an ext4 disk of `sizeMiB` (at least 4) that can be filled up: root gets ENOSPC on it like anyone else. */
export async function openSmallDisk(options: { sizeMiB: number }): Promise<MountedDisk> {
  return openDisk(async (later) => {
    const home = await makeHome(later);
    await formatImage(join(home, 'disk.img'), 'ext4', options.sizeMiB);
    await mountImage(join(home, 'disk.img'), 'ext4', join(home, 'disk'), later);
    return join(home, 'disk');
  });
}

/**
 * Says why the disks of this module cannot be had here (not root, no loop device, no mkfs, a refused mount), or
 * undefined when they can, so that a test can name its reason to skip. It finds out by cutting one.
 */
export async function powerCutUnavailable(fileSystem: CutFileSystem = 'ext4'): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'mounting a test disk takes root';
  try {
    const disk = await openPowerCutDisk({ sizeMiB: 128, fileSystem });
    await disk.cut().finally(() => disk.close());
    return undefined;
  } catch (error) {
    return `no power-cut disk: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}
