export const HONOURED: readonly { flag: string; verbs: readonly string[] }[] = [];
