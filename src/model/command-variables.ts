/** Replaces `$NAME` and `${NAME}` in the command of a check by the variables' values; other dollars stay. */
export function expandVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
    const name = bare ?? braced!;
    return Object.hasOwn(variables, name) ? variables[name]! : whole;
  });
}
