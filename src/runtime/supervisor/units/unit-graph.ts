import { DEPENDENCIES, type Dependency, type UnitSpec } from '../spec/index.ts';

/** Dependencies among units held here, read in both directions. */
export class UnitGraph {
  readonly #specs = new Map<string, UnitSpec>();
  #inverse: Map<Dependency, Map<string, string[]>> | undefined;

  add(spec: UnitSpec): void {
    this.#specs.set(spec.name, spec);
    this.#inverse = undefined;
  }

  remove(name: string): void {
    this.#specs.delete(name);
    this.#inverse = undefined;
  }

  /** The held units that `name` names in one of these directives. */
  of(name: string, ...kinds: readonly Dependency[]): readonly string[] {
    const named = kinds.flatMap((kind) => this.#specs.get(name)?.dependencies[kind] ?? []);
    return named.filter((other) => this.#specs.has(other) && other !== name);
  }

  /** The held units that name `name` in one of these directives. */
  whoNames(name: string, ...kinds: readonly Dependency[]): readonly string[] {
    this.#inverse ??= this.#invert();
    return kinds.flatMap((kind) => this.#inverse!.get(kind)!.get(name) ?? []);
  }

  /** What `name` names in one of these directives and is not held here. */
  missing(name: string, ...kinds: readonly Dependency[]): readonly string[] {
    const named = kinds.flatMap((kind) => this.#specs.get(name)?.dependencies[kind] ?? []);
    return [...new Set(named)].filter((other) => !this.#specs.has(other));
  }

  /** Units that come before `name` in starting. */
  before(name: string): readonly string[] {
    return [...this.of(name, 'After'), ...this.whoNames(name, 'Before')];
  }

  /** Units that come after `name` in starting. */
  after(name: string): readonly string[] {
    return [...this.of(name, 'Before'), ...this.whoNames(name, 'After')];
  }

  #invert(): Map<Dependency, Map<string, string[]>> {
    const inverse = new Map(DEPENDENCIES.map((kind) => [kind, new Map<string, string[]>()]));
    for (const [name, spec] of this.#specs) {
      for (const kind of DEPENDENCIES) {
        for (const other of spec.dependencies[kind]) {
          if (other === name) continue;
          const names = inverse.get(kind)!;
          const list = names.get(other);
          if (list === undefined) names.set(other, [name]);
          else list.push(name);
        }
      }
    }
    return inverse;
  }
}
