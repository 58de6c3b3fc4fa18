import { AmbitError } from '../storage.js';
import { parseNetworkUrl } from '../../core/network-url.js';
import { parseStorageUrl } from '../../core/storage-url.js';

/** Where a store is. */
export interface PostgresPlace {
  /** As `pg` takes it; undefined where a pool was handed in. */
  readonly url: string | undefined;
  readonly namespace: string | undefined;
  /** As it may be shown. */
  readonly place: string;
}

/** As in a storage URL; longer, and the names made of it would not fit into the 63 bytes of an identifier. */
const namespaceForm = /^[A-Za-z0-9_-]{1,40}$/;

/**
 * Takes the place out of what a user gave.
 *
 * @throws AmbitError `INVALID_INPUT`
 * @throws TypeError for an option of the wrong type
 */
export function placeOf(given: {
  readonly url?: string | undefined;
  readonly pool?: object | undefined;
  readonly namespace?: string | undefined;
}): PostgresPlace {
  const { pool, namespace } = given;
  if (namespace !== undefined && typeof namespace !== 'string') {
    throw new TypeError('postgres: namespace must be a string');
  }
  if (namespace !== undefined && !namespaceForm.test(namespace)) {
    throw new AmbitError(
      'INVALID_INPUT',
      `postgres: namespace is ${JSON.stringify(namespace)}; it must be 1 to 40 letters, digits, _ and -`,
    );
  }
  if ((given.url === undefined) === (pool === undefined)) {
    throw new AmbitError('INVALID_INPUT', 'postgres: give either url or pool');
  }
  if (pool !== undefined) {
    if (typeof (pool as { connect?: unknown } | null)?.connect !== 'function') {
      throw new TypeError('postgres: pool must be a Pool of pg');
    }
    return { url: undefined, namespace, place: 'the pool that was handed in' };
  }
  const location = parseStorageUrl(given.url as string);
  if (location.kind !== 'postgres') {
    throw new AmbitError('INVALID_INPUT', 'postgres: url must begin with postgres:// or postgresql://');
  }
  return {
    url: location.url,
    namespace: namespace ?? location.namespace,
    place: shownPlace(location.url),
  };
}

/** Host and database, without the user and what belongs to the client. */
function shownPlace(url: string): string {
  const [scheme = '', rest = ''] = url.split(/:(.*)/s);
  const parts = parseNetworkUrl(scheme, rest);
  if (typeof parts === 'string') return 'the server';
  return `${parts.host}${parts.path}` || 'the local server';
}
