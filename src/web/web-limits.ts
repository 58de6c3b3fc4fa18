import { dayMs, hourMs, minuteMs, secondMs } from '../core/time.js';

/** 256 random bits cannot be guessed, whatever the number of sessions and guesses. */
export const sessionIdBytes = 32;

export const idleMsDefault: number = 24 * hourMs;
/** Shorter than this, a session is over before a page has loaded what it links to. */
export const idleMsMin: number = secondMs;
export const absoluteMsDefault: number = 30 * dayMs;
/** Browsers keep no cookie longer; the record of a user who ended all sessions is kept as long as this. */
export const absoluteMsMax: number = 400 * dayMs;

/** Of the idle lifetime: written less often, and people would be logged out noticeably early; more often, reads cost writes. */
export const touchAfterPartDefault = 0.05;
/** Under this idle lifetime every touch is written: what is lost to waiting would be felt, and there are few of them. */
export const touchEachBelowMs: number = 10 * minuteMs;

/** Bytes of JSON in the data of a session. It is read at each request: larger things belong into a table of their own. */
export const dataBytesDefault = 262_144;
/** With its flashes and cookie, the record must stay below what one value may hold (1 MiB). */
export const dataBytesMax = 524_288;

/** Flashes that wait in one session: a page that is never shown must not fill the record. */
export const flashesMax = 100;
/** Bytes of JSON in one flash. All of them, with the largest data, must fit into one value. */
export const flashBytesMax = 4_096;

/** UTF-16 units in a user's id or name, and in the name of a kind of session. They are parts of keys, or shown in lists. */
export const userCharsMax = 255;
export const nameCharsMax = 64;
/** UTF-16 units in the id that another middleware made: hashed, so only the work is to be bounded. */
export const foreignIdCharsMax = 4_096;

/** Bytes of JSON that a server's middleware keeps beside the data. */
export const besideBytesMax = 8_192;

export const listLimitDefault = 100;
export const listLimitMax = 1_000;

/** Sessions one step of a walk reads or deletes: others wait for the store meanwhile, and a value may be large. */
export const walkBatchMax = 100;

/** Records one batch of a sweep deletes: others wait for the store meanwhile. */
export const sweepBatchMax = 1_000;
/** Batches of one `sweep`: a call that never returns cannot be stopped. */
export const sweepBatchesMax = 100;

/** Characters in the name of a cookie: it is sent with each request. */
export const cookieNameCharsMax = 64;
/** Cookies of one name that are looked at. Browsers send two where a host above this one set one; no honest client sends more. */
export const sameNameCookiesMax = 4;
/** Keys that verify cookies: each costs a hash for each cookie that is forged. */
export const signingKeysMax = 16;
