import { redactStorageUrl } from '../core/storage-url.js';

/**
 * A line as it may be printed: what was typed comes back in messages ("unknown option '--storag=redis://…'"), and must
 * not carry a password or a token into a terminal's history or a host's log.
 */
export function redactLine(text: string): string {
  return (
    text
      .replace(/ambit_[0-9a-f-]{36}_[A-Za-z0-9_-]{20,}/g, 'ambit_***')
      // To the last @ of the line, and on to the end of the word: a password may hold any character, a space too.
      .replace(/\b(?:postgres(?:ql)?|rediss?|sqlite|file):.*@[^\s'"]*/gis, redactStorageUrl)
      .replace(/\b(?:postgres(?:ql)?|rediss?):[^\s'"]*[^\s'".,:;)]/gi, redactStorageUrl)
      .replace(/(\/\/).*(?<!\*\*\*)@[^\s'"]*/gs, '$1***')
      .replace(/[^\s'"]+:[^\s'"]*(?<!\*\*\*)@[^\s'"]*/g, '***')
      .replace(/([?&](?!eventLoop=|durability=|namespace=)[A-Za-z_-]+=)[^&\s'"]+/g, '$1***')
  );
}
