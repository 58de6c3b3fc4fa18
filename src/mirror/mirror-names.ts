import { createHash } from 'node:crypto';

/** Longer, and a name may be refused: file systems take 255 bytes, some tools less. */
const nameCharsMax = 120;

/** Characters of a long id that are kept for people; the hash behind them tells ids apart. */
const keptChars = 60;

/** Names of devices, which Windows takes for themselves whatever comes behind their dot. */
const deviceName = /^(?:con|prn|aux|nul|com\d|lpt\d)$/;

/**
 * The name of the file of a session, whatever its id: letters a to z, digits, `_`, `-` and `=`, so that it leads nowhere, is
 * hidden nowhere, and no two ids share one where capitals or composed characters are taken for others.
 */
export function mirrorFileName(id: string): string {
  let escaped = '';
  for (const byte of Buffer.from(id, 'utf8')) {
    const character = String.fromCharCode(byte);
    escaped += /[a-z0-9_-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0')}`;
  }
  if (escaped === '') escaped = '=';
  if (deviceName.test(escaped)) escaped = `=${escaped.charCodeAt(0).toString(16)}${escaped.slice(1)}`;
  if (escaped.length <= nameCharsMax) return `${escaped}.json`;
  const hash = createHash('sha256').update(id, 'utf8').digest('hex').slice(0, 40);
  return `${escaped.slice(0, keptChars)}==${hash}.json`;
}
