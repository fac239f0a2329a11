/** What client and daemon must agree on besides the wire types (protocol.ts). */

/**
 * The protocol number that client and daemon compare (never their versions). It is raised when one
 * could misunderstand the other. Both send it in the header {@link PROTOCOL_HEADER}; a request
 * without it (curl) is treated as this protocol.
 */
export const PROTOCOL = 1;
export const PROTOCOL_HEADER = "evs-protocol";

/**
 * The name prefix of subscriptions that a client created without a name. They are removed once
 * abandoned.
 */
export const UNNAMED = "unnamed-";
