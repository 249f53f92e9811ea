import { join } from 'node:path';
import { privateLines, registryLines } from '../../core/event.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { openLogReader, openLogWriter } from '../../stores/git-log.ts';
import { MemoryLog } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { eventLogContract } from '../support/event-log-contract.ts';
import { aClock, countedIds } from '../support/registry.ts';
import { SharedLog } from '../support/shared-log.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

eventLogContract('GitLog', async (t) => {
  const options = { repository: join(await temporaryDirectory(t), 'log.git'), lines: registryLines };
  return { openWriter: () => openLogWriter(options), openReader: () => openLogReader(options) };
});

eventLogContract('MemoryLog', async () => {
  const log = new MemoryLog(registryLines);
  return { openWriter: async () => log };
});

// The double that stands for several processes in other tests has to keep the same promises.
eventLogContract('SharedLog', async () => {
  const shared = new SharedLog(registryLines);
  return { openWriter: async () => shared.open(), openReader: async () => shared.open() };
});

eventLogContract('SealedLog', async () => {
  const shared = new SharedLog(registryLines);
  const [clock, ids, log] = [aClock(), countedIds(), new MemoryLog(privateLines)];
  const open = async (): Promise<SealedLog> =>
    new SealedLog(shared.open(), new PrivateJournal({ log, clock, ids }));
  return { openWriter: open, openReader: open };
});
