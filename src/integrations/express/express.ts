/** `ambit/express`: the store of web sessions for express-session, and tokens against requests of other sites. */
export { type ExpressStore, expressStore, type ExpressStoreOptions } from './express-store.js';
export {
  csrfTokenOf,
  expressCsrf,
  type ExpressCsrfOptions,
  type ExpressHandler,
  type ExpressRequest,
} from './express-csrf.js';
