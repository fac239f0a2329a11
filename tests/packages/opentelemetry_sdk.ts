/** The pinned versions of OpenTelemetry's SDK for traces, for tests only. */
export * from "npm:@opentelemetry/sdk-trace-base@2.12.1";
export { AsyncLocalStorageContextManager } from "npm:@opentelemetry/context-async-hooks@2.12.1";
