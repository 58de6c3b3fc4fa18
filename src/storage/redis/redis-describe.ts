import type { ServerFacts } from './redis-facts.js';
import { schemaVersion } from './redis-scripts.js';
import type { StorageDescription } from '../storage.js';

/** What a server is and how it is set. */
export function describeRedis(facts: ServerFacts, namespace: string): StorageDescription {
  const warnings = facts.weakness === undefined ? [] : [facts.weakness];
  if (facts.replicas > 0) {
    warnings.push(
      'replicas follow with a delay: a failover takes back the calls acknowledged within it; see docs/redis.md',
    );
  }
  if (facts.maxmemoryPolicy !== 'noeviction') {
    warnings.push(
      `maxmemory-policy is ${facts.maxmemoryPolicy}: it spares Ambit's records, noeviction says so`,
    );
  }
  return {
    server: facts.server,
    schemaVersion,
    facts: {
      namespace,
      kind: facts.inCluster ? 'a cluster: this namespace lies on one of its nodes' : 'one server',
      persistence: facts.persistence,
      'maxmemory-policy': facts.maxmemoryPolicy,
      replicas: String(facts.replicas),
    },
    warnings,
  };
}
