/** `ambit/langgraph`: the long-term memory of LangGraph on scopes. */
export { type LangGraphStoreError, langGraphStore, type LangGraphStoreOptions } from './langgraph-store.js';
