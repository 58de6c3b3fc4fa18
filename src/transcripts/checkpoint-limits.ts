/** Checkpoints that are put at least between two looks for old ones: else every put would look. */
export const pruneSlack = 16;

/** A look waits for one put in so many of what the last one left: what it reads stays in proportion to what it deletes. */
export const prunePart = 8;

/** Records read and deleted at once by a look: each may be of a megabyte. */
export const pruneBatchMax = 50;

/** How often a look begins anew because checkpoints were put meanwhile; the next one deletes what it leaves. */
export const pruneTriesMax = 3;

/** UTF-16 units of the texts in a checkpoint's record; longer ones have a record of their own, since a look reads the others. */
export const outlineTextCharsMax = 4_096;

/** Graphs around a graph: each is named in its checkpoints. */
export const checkpointDepthMax = 64;
