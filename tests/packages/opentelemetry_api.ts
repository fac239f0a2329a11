/** The pinned version of OpenTelemetry's API, for tests only. */
export * from "npm:@opentelemetry/api@1.9.1";
