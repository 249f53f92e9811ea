import { withControl } from './control.ts';
import { parseRelease } from './package-argument.ts';

/** Yanks or unyanks one version, as the operator. */
export async function yank(
  dataDirectory: string,
  direction: 'yank' | 'unyank',
  text: string,
  flags: { readonly json?: boolean },
): Promise<void> {
  const release = parseRelease(text);
  const { events, visibility } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: direction, ...release }]),
  );
  if (flags.json) for (const event of events) console.log(JSON.stringify(event));
  else if (events.length === 0) console.log(`${text} is ${direction}ed already`);
  else console.log(`${direction}ed ${text}`);
  if (visibility === 'degraded')
    console.error('cairn: recorded, but the site does not show it yet; see: cairn doctor');
}
