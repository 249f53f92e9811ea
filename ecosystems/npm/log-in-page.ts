/** The page on which a login that began in a command line ends. It needs no script, and may be in no frame. */
import type { HttpAnswer } from '../../core/route.ts';
import { escapedHtml } from '../escaped-html.ts';

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#222}' +
  'label{display:block;margin:1rem 0}input{display:block;width:100%;padding:.5rem;font:inherit;box-sizing:border-box}' +
  'button{padding:.5rem 1.5rem;font:inherit}.wrong{color:#b00020}' +
  '@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}.wrong{color:#ff8a80}}';

export function logInPage(
  status: number,
  { isNewAccount }: { readonly isNewAccount: boolean },
  wrong?: string,
): HttpAnswer {
  const fields = isNewAccount
    ? [
        field('handle', 'Name', 'autocomplete="username" required autofocus'),
        field('password', 'Password', 'type="password" autocomplete="new-password" required'),
        field('email', 'E-mail address (others do not see it)', 'type="email" autocomplete="email"'),
        field('invitation', 'Invitation, if you were given one', 'autocomplete="off"'),
      ]
    : [
        field('handle', 'Name', 'autocomplete="username" required autofocus'),
        field('password', 'Password', 'type="password" autocomplete="current-password" required'),
        field(
          'code',
          'Code of your device, if you have one',
          'autocomplete="one-time-code" inputmode="numeric"',
        ),
      ];
  return page(
    status,
    isNewAccount ? 'New account' : 'Log in',
    '<p>A command line waits for this. Go on only if you started it yourself, a moment ago.</p>' +
      (wrong === undefined ? '' : `<p class="wrong" role="alert">${escapedHtml(wrong)}</p>`) +
      `<form method="post">${fields.join('')}<button>${isNewAccount ? 'Make the account' : 'Log in'}</button></form>`,
  );
}

export function page(status: number, title: string, content: string): HttpAnswer {
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
    body:
      `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${title}</title><style>${style}</style><h1>${title}</h1>${content}</html>\n`,
  };
}

function field(name: string, label: string, attributes: string): string {
  return `<label>${label}<input name="${name}" ${attributes}></label>`;
}
