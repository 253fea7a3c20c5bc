/** Bytes of memory of a bottle whose manifest names none; less where the engine has less. */
export const DEFAULT_MEMORY = 4 * 1024 ** 3;

/** Processes of one whose manifest names none. Threads count: node and a compiler together need some hundreds. */
export const DEFAULT_PIDS = 2048;
