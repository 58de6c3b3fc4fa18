/** `ambit/express`: the store of web sessions for express-session. */
export {
  type ExpressSessionError,
  type ExpressStore,
  expressStore,
  type ExpressStoreOptions,
} from './express-store.js';
