import { jsonSchemaText } from '../../src/cli/json-shapes.ts';
import { apiPage, openApiText } from './api.ts';
import { commandsPage } from './commands.ts';
import { errorsPage, metricsPage, settingsPage, storeKeysPage, unitFilesPage } from './tables.ts';

/** The generated files of docs/reference/, by name, and what makes each. */
export const REFERENCE: Readonly<Record<string, () => string>> = {
  'api.md': apiPage,
  'errors.md': errorsPage,
  'fleetctl.md': commandsPage,
  'json-schema.json': jsonSchemaText,
  'metrics.md': metricsPage,
  'openapi.json': openApiText,
  'settings.md': settingsPage,
  'store-keys.md': storeKeysPage,
  'unit-files.md': unitFilesPage,
};
