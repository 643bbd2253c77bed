/** True for `name@.suffix`, which is never scheduled itself: only its instances are. */
export function isTemplateName(name: string): boolean {
  return /^[^@]+@\.[^.]+$/.test(name);
}
