/** What the three example servers share: their only page, and who may log in. */
import type { Flash } from 'ambit';

/** What the page shows. */
export interface Shown {
  /** Of who is logged in. */
  readonly userName: string | undefined;
  readonly notes: readonly string[];
  readonly flashes: readonly Flash[];
  readonly csrfToken: string;
}

export function page({ userName, notes, flashes, csrfToken }: Shown): string {
  const form = (action: string, inside: string, button: string): string =>
    `<form method="post" action="${action}"><input type="hidden" name="_csrf" value="${csrfToken}">${inside}` +
    `<button>${button}</button></form>`;
  const loginFields = '<input name="name" placeholder="name"><input name="password" type="password">';
  return [
    '<!doctype html><meta charset="utf-8"><title>Ambit: sessions</title>',
    ...flashes.map(({ level, message }) => `<p role="status" class="${level}">${escaped(message)}</p>`),
    userName === undefined ? '<h1>Hello</h1>' : `<h1>Hello, ${escaped(userName)}</h1>`,
    `<ul>${notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`,
    form('/notes', '<input name="note" placeholder="a note">', 'Note it'),
    userName === undefined ? form('/login', loginFields, 'Log in') : '',
    userName === undefined ? '' : form('/logout', '', 'Log out'),
    userName === undefined ? '' : form('/logout-everywhere', '', 'Log out everywhere'),
  ].join('\n');
}

/** Stands for a table of users, whose passwords would be hashed. */
export function userWith(name: string | undefined, password: string | undefined): KnownUser | undefined {
  return users.find((user) => user.userId === name && user.password === password);
}

export interface KnownUser {
  readonly userId: string;
  readonly userName: string;
}

/** The key of a session's notes: one a note, so that two tabs add theirs at once and neither is lost. */
export function notesOf(data: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(data).flatMap(([key, value]) => (key.startsWith('note ') ? [String(value)] : []));
}

const users = [
  { userId: 'ada', userName: 'Ada Lovelace', password: 'engine' },
  { userId: 'grace', userName: 'Grace Hopper', password: 'compiler' },
] as const;

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
