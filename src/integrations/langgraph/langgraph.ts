/** `ambit/langgraph`: the long-term memory of LangGraph on scopes, and its checkpoints beside transcripts. */
export { type LangGraphSaverError, langGraphSaver, type LangGraphSaverOptions } from './langgraph-saver.js';
export { type LangGraphStoreError, langGraphStore, type LangGraphStoreOptions } from './langgraph-store.js';
