/** A place in a container for programs of this machine. Memory, from which commands may be started. */
export const PROGRAM_FOLDER = "/opt/sandkeep-program";

/** Such a place as an entry of `tmpfs`. */
export const PROGRAM_TMPFS = `${PROGRAM_FOLDER}:exec,mode=755`;
