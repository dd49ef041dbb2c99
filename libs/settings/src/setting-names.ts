/** `grpcPort` is the flag `--grpc-port`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `grpcPort` is the variable `BMS_GRPC_PORT`. */
export function variableOf(key: string): string {
  return `BMS_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
