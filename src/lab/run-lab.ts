/** Where a command of the lab writes. */
export interface LabIo {
  out(text: string): void;
  err(text: string): void;
}

/** `fleetctl lab ARGUMENTS`: a whole cluster on this computer. Answers the exit status. */
export async function runLab(argv: readonly string[], io: LabIo): Promise<number> {
  io.err(`unknown lab command ${argv.join(' ')}\n`);
  return 2;
}
