/** Bytes of UTF-8 in an encoded key. PostgreSQL refuses index entries over 2,704 bytes. */
export const keyBytesMax = 2_048;

/** Bytes of UTF-8 in one value. Larger things are stored in pieces, so that nobody's small call waits behind one. */
export const valueBytesMax = 1_048_576;

/** Keys one transaction may touch: an agent's 1,000 sessions closed at once need 3,001, and Redis blocks for all of them. */
export const transactionKeysMax = 4_096;

/** Bytes of keys and values in one transaction, and in one group: what a server takes in one message without harm to others. */
export const groupBytesMax = 4_194_304;

/** Transactions sent as one group: more than this no longer raises throughput, but makes every caller wait for the slowest. */
export const groupTransactionsMax = 1_024;
