import { withControl } from './control.ts';
import { parseRelease } from './package-argument.ts';

/** Takes the bytes of one version away, as the operator: for emergencies and legal orders. Its number stays taken. */
export async function withdraw(
  dataDirectory: string,
  text: string,
  { reason, json }: { readonly reason: string; readonly json?: boolean },
): Promise<void> {
  const release = parseRelease(text);
  const { events, visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'withdraw', ...release, reason }]),
  );
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(events.length === 0 ? `${text} is withdrawn already` : `withdrew ${text}`);
  if (visibility === 'degraded')
    console.error('cairn: recorded, but the site does not show it yet; see: cairn doctor');
}
