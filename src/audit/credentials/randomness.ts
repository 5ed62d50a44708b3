// How much a string looks as if a generator had made it instead of a person.

/** Shannon entropy of the characters of `text`, in bits each. */
export function entropyOf(text: string): number {
  if (text === '') return 0;
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) {
    const share = count / text.length;
    bits -= share * Math.log2(share);
  }
  return bits;
}

const MIN_LENGTH = 16;
const MAX_LENGTH = 4096;
const HEX = /^[0-9a-fA-F]+$/;
const RUN_OF_CHARACTERS = /^[A-Za-z0-9+/=_\-.~!@#$%^&*:?]+$/;
const CHARACTER_CLASSES = [/[a-z]/, /[A-Z]/, /[0-9]/];

/** At least 16 characters without a space, of which no reader could make words. */
export function looksRandom(text: string): boolean {
  if (text.length < MIN_LENGTH || text.length > MAX_LENGTH || !RUN_OF_CHARACTERS.test(text)) return false;
  const isHex = HEX.test(text);
  if (isHex) return /[0-9]/.test(text) && /[a-fA-F]/.test(text) && entropyOf(text) >= 2.8;
  if (entropyOf(text) < 3.2 || isWordy(text)) return false;
  return CHARACTER_CLASSES.filter((pattern) => pattern.test(text)).length >= 2;
}

/** Made of words, numbers and what joins them: `ray-cluster-tls`, `org.apache.kafka`, `MyServiceName2`. */
export function isWordy(text: string): boolean {
  if (/[^A-Za-z0-9\-_./:,@ ]/.test(text)) return false;
  const pieces = text
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .filter((piece) => piece !== '');
  if (pieces.length === 0) return false;
  const wordCharacters = pieces.filter(isWord).reduce((characters, piece) => characters + piece.length, 0);
  const all = pieces.reduce((characters, piece) => characters + piece.length, 0);
  return wordCharacters >= all * 0.75;
}

/** Letters of one case, or with a capital, with as many vowels as languages have; or a short number; or letters and then a number. */
function isWord(piece: string): boolean {
  if (/^[0-9]{1,4}$/.test(piece)) return true;
  const letters = /^(v?[A-Z]?[a-z]+|[A-Z]+)[0-9]{0,3}$/.exec(piece)?.[1];
  if (letters === undefined) return /^[a-z][0-9][a-z]{1,2}$/.test(piece);
  if (letters.length <= 4) return true;
  const vowels = letters.replaceAll(/[^aeiouyAEIOUY]/g, '').length;
  const share = vowels / letters.length;
  return letters.length <= 24 && share >= 0.15 && share <= 0.75;
}

/** `abcdefghij`, `1234567890`, `xxxxxxxx`: what people write where something is to be put in. */
export function isMonotonous(text: string): boolean {
  if (text.length < 6) return false;
  let steps = 0;
  for (let index = 1; index < text.length; index += 1) {
    const step = text.charCodeAt(index) - text.charCodeAt(index - 1);
    if (step === 0 || step === 1 || step === -1) steps += 1;
  }
  const isFewCharacters = text.length >= 12 && new Set(text.toLowerCase()).size <= 4;
  return isFewCharacters || steps >= (text.length - 1) * 0.6;
}
