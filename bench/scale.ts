/** `--smoke` only looks whether every row still works: a second each, and figures that mean nothing and are not written. */
export const smoke: boolean = process.argv.includes('--smoke');

export const scale = smoke
  ? {
      rounds: 1,
      roundMs: 150,
      warmMs: 20,
      sessions: 500,
      many: 2_000,
      processSeconds: 1,
      processRounds: 1,
      leash: 20,
      entries: 2_000,
      scopeRounds: 5,
      dropRounds: 1,
      turnsMax: 1_000,
      transcriptRounds: 1,
    }
  : {
      rounds: 5,
      roundMs: 1_000,
      warmMs: 200,
      sessions: 10_000,
      many: 1_000_000,
      processSeconds: 10,
      processRounds: 5,
      leash: 1_000,
      entries: 100_000,
      scopeRounds: 400,
      dropRounds: 3,
      turnsMax: 10_000,
      transcriptRounds: 7,
    };
