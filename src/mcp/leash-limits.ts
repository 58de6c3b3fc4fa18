import type { LeashLimits } from './leash-types.js';

const mebibyte = 1_048_576;

/** The bounds of a leash unless the caller gives smaller ones. */
export const leashLimitsDefault: LeashLimits = {
  // A line is held in memory until it was checked: without a bound one agent fills the memory of the machine.
  upstreamLineBytesMax: 16 * mebibyte,
  // Servers answer with pictures and files; more than this is a server gone wrong, and would be held as well.
  downstreamLineBytesMax: 64 * mebibyte,
  // Each is remembered until it is answered, so that an answer can be told from a forgery: the memory must be bounded.
  requestsInFlightMax: 1_024,
  // A client that pipes its calls in and leaves still wants the answers. One that never come must not keep the run up.
  answersWaitMsMax: 30_000,
};

/** Arrays and objects inside each other. Parsers stop at different depths (Python near 1,000), and some crash. */
export const frameDepthMax = 512;

/** Members of an envelope or of `params`: each is decoded and compared, and a frame could hold millions. */
export const frameMembersMax = 1_024;

/** UTF-16 units of a string id: 1,024 of them in flight must stay small. */
export const idCharsMax = 1_024;

/** UTF-16 units of a method: no method is longer than a line, and a refusal repeats it. */
export const methodCharsMax = 256;

/** UTF-16 units of a tool's name that a refusal and the log repeat: a name may be as long as a line, an answer may not. */
export const toolShownCharsMax = 256;

/** UTF-16 units that wait for a grant before the client is no longer read: 1,024 calls of 16 MiB would be 16 GiB. */
export const upstreamWaitingCharsMax: number = 4 * mebibyte;

/** Answered `input_required` and not repeated yet: a server may ask for input and never be heard again. */
export const requestStatesMax = 1_024;

/** Tasks that can be polled: the oldest is forgotten first. */
export const ownTasksMax = 16_384;

/** Requests given up by their sender whose late answer is still known for what it is. */
export const cancelledMax = 1_024;

/** Lines of notices: an agent that sends garbage in a loop must not fill the disk behind stderr. */
export const noticesMax = 1_000;
