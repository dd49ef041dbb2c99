/**
 * BYTES as onnxruntime-node takes and gives them: JavaScript strings. Runs in the executor's thread, so that the thread
 * that holds sockets does no work per element.
 */
const LENGTH_PREFIX_BYTES = 4;
const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Elements that the runtime cannot take as they are. */
export class UnfitStringError extends Error {
  override readonly name = 'UnfitStringError';
}

/** The texts of elements that lie behind their 4-byte lengths. Throws {@link UnfitStringError}. */
export function textsOfRaw(raw: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < raw.byteLength; ) {
    const start = at + LENGTH_PREFIX_BYTES;
    at = start + raw.readUInt32LE(at);
    texts.push(textOf(raw.subarray(start, at), texts.length));
  }
  return texts;
}

function textOf(element: Buffer, index: number): string {
  // onnxruntime-node hands strings on as C strings: what stands behind a NUL would vanish without a word.
  if (element.includes(0))
    throw new UnfitStringError(`element ${index} contains a NUL byte, which ONNX Runtime cuts off`);
  try {
    return strictText.decode(element);
  } catch {
    throw new UnfitStringError(`element ${index} is not UTF-8, and ONNX strings are`);
  }
}

/** The bytes that {@link rawOfTexts} would take, without taking them. */
export function rawSizeOfTexts(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + LENGTH_PREFIX_BYTES + Buffer.byteLength(text), 0);
}

/** Texts as elements behind their 4-byte lengths, in memory of their own. */
export function rawOfTexts(texts: readonly string[]): Uint8Array {
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const raw = Buffer.allocUnsafeSlow(sizes.reduce((sum, size) => sum + LENGTH_PREFIX_BYTES + size, 0));
  let at = 0;
  texts.forEach((text, index) => {
    at = raw.writeUInt32LE(sizes[index] ?? 0, at);
    at += raw.write(text, at);
  });
  return raw;
}
