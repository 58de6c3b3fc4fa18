/** `ambit/hono`: web sessions as a middleware of Hono. */
export { type HonoSessionOptions, honoSessions } from './hono-sessions.js';
