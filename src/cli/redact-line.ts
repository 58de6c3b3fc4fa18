/**
 * A line as it may be printed: what was typed comes back in messages ("unknown option '--storag=redis://…'"), and must
 * not carry a password or a token into a terminal's history or a host's log.
 */
export function redactLine(text: string): string {
  return (
    text
      .replace(/ambit_[0-9a-f-]{36}_[A-Za-z0-9_-]{20,}/g, 'ambit_***')
      // Up to the last @ of the line: a password may hold any character.
      .replace(/(:\/\/).*@/g, '$1***@')
      .replace(/([?&](?!eventLoop=|durability=|namespace=)[A-Za-z_-]+=)[^&\s'"]+/g, '$1***')
  );
}
