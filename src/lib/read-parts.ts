/** Joins the parts of a body; throws what `tooLarge` makes of the size as soon as that is more than `maxBytes`. */
export async function readParts(
  parts: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLarge: (sizeBytes: number) => Error,
): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    sizeBytes += part.byteLength;
    if (sizeBytes > maxBytes) throw tooLarge(sizeBytes);
    kept.push(part);
  }
  return Buffer.concat(kept);
}
