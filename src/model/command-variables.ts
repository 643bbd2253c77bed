/** The command of a check with `$NAME` and `${NAME}` replaced by what each variable holds; other dollars stay as they are. */
export function expandVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
    const name = bare ?? braced!;
    return Object.hasOwn(variables, name) ? variables[name]! : whole;
  });
}
