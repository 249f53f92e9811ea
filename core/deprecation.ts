import { RegistryError } from './errors.ts';

const MAX_MESSAGE_LENGTH = 1_024;

/** What may be said of what is deprecated, for all who say it in no protocol of their own. @throws RegistryError `bad-request` */
export function requireMessage(message: string): string {
  const length = [...message].length;
  if (message.trim() !== '' && length <= MAX_MESSAGE_LENGTH && !/\p{Cc}/u.test(message)) return message;
  throw new RegistryError(
    'bad-request',
    `a message has 1 to ${MAX_MESSAGE_LENGTH} characters on one line, and none that control a terminal`,
  );
}
