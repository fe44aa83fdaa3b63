/** How a failure is to be handled: retried, given up, or read as a fact about the backend. */
export type ErrorClass = "transient" | "terminal" | "not-found" | "conflict" | "unreachable" | "denied";
