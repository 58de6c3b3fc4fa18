/** `ambit/openai-agents`: the session of the OpenAI Agents SDK on transcripts. */
export {
  type OpenAiAgentsSession,
  openAiAgentsSession,
  type OpenAiAgentsSessionError,
  type OpenAiAgentsSessionOptions,
} from './openai-agents-session.js';
