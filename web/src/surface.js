// The surface in three dimensions; loaded when it is asked for.
export {};
