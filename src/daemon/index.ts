export { settingProblem } from './config.ts';
