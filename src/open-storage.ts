import type { Durability, Storage } from './storage/storage.js';
import { AmbitError } from './core/errors.js';
import { parseStorageUrl } from './core/storage-url.js';

/** Opens the store that a URL names; the backend, and the database library it needs, is loaded only now. */
export async function openStorage(url: string): Promise<Storage> {
  const location = parseStorageUrl(url);
  switch (location.kind) {
    case 'memory': {
      const { memoryStorage } = await import('./storage/memory/memory-storage.js');
      return memoryStorage();
    }
    case 'sqlite': {
      const { sqliteStorage } = await import('./storage/sqlite/sqlite-storage.js');
      return sqliteStorage(location);
    }
    case 'redis': {
      const { redisStorage } = await import('./storage/redis/redis-storage.js');
      return redisStorage(location);
    }
    case 'postgres': {
      const { postgresStorage } = await import('./storage/postgres/postgres-storage.js');
      const { url: serverUrl, namespace } = location;
      return postgresStorage({ url: serverUrl, ...(namespace !== undefined && { namespace }) });
    }
    // file: what is none of the others.
    default: {
      const { fileStorage } = await import('./storage/file/file-storage.js');
      return fileStorage(location);
    }
  }
}

const levels: readonly Durability['level'][] = ['none', 'bounded-loss', 'process', 'power'];

/** Refuses a store that keeps less than was asked for. */
export function assertDurability({ capabilities }: Storage, least: Durability['level']): void {
  if (!levels.includes(least)) {
    // Unchecked, every store would be more than a level that there is not.
    throw new AmbitError(
      'INVALID_INPUT',
      `durability is ${JSON.stringify(least)}; it must be one of ${levels.join(', ')}`,
    );
  }
  const { level } = capabilities.durability;
  if (levels.indexOf(level) >= levels.indexOf(least)) return;
  throw new AmbitError(
    'DURABILITY_TOO_WEAK',
    `the ${capabilities.name} store keeps an acknowledged call only to the level "${level}", and "${least}" is asked for; ` +
      `open it with durability: '${level}' (on the command line: ?durability=${level} in its URL) to accept that`,
  );
}
