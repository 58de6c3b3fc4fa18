/** `ambit/fastify`: web sessions as a plugin of Fastify. */
export { type FastifySessionData, type FastifySessionOptions, fastifySessions } from './fastify-sessions.js';
