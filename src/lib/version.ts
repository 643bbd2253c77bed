import project from '../../package.json' with { type: 'json' };

/** The version of the package from which this was built. */
export const VERSION: string = project.version;
