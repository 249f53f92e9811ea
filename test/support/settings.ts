import { join } from 'node:path';
import { remoteControl } from '../../api/control.ts';
import { recordedSettings } from '../../bin/settings.ts';
import type { Settings } from '../../schema/types.ts';

/** Changes some settings of a running registry, as `cairn settings` does. */
export async function changeSettings(data: string, change: Partial<Settings>): Promise<void> {
  const settings = { ...(await recordedSettings(data)), ...change };
  await remoteControl(join(data, 'control.sock')).execute([{ kind: 'change-settings', settings }]);
}
